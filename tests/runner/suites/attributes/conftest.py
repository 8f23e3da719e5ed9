import os

import pytest


class Odd:
    def __repr__(self):
        return "<odd>"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    report.description = item.function.__doc__
    report.extra = [{"name": "Text", "content": b"bytes", "numbers": (1, 2.5, None), "of": {"a", "a"}}]
    if item.name == "test_odd":
        report.odd = Odd()


class Watch:
    def pytest_runtest_logreport(self, report):
        with open(os.environ["NOTES"], "a") as notes:
            odd = repr(getattr(report, "odd", None)).strip("'")
            notes.write("%s %s %s %s %s %s\n" % (
                report.nodeid, report.when, report.outcome, report.description, odd,
                [(extra["name"], extra["content"], extra["numbers"], sorted(extra["of"]))
                 for extra in report.extra]))


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Watch())
