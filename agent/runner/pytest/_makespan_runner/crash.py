"""A test that ended its worker, or had to be ended with it: it failed, and its report is made here."""

import pytest

from . import compat


def show(config, replay, node, slot, crash):
    """In the reporter. crash is what the agent knows; node the worker's, where each runs every test."""
    nodeid = crash.get("id") or "worker gw%d" % slot
    path = nodeid.split("::", 1)[0]
    text = crash.get("text") or "the worker gw%d died" % slot
    sections = [(title, crash[name]) for title, name in (
        ("Stacks", "stacks"), ("Captured output", "output")) if crash.get(name)]
    # As pytest writes a domain: the terminal takes it off the id and writes it in colour.
    domain = nodeid[len(path):].lstrip(":").partition("[")
    location = (path, None, domain[0].replace("::", ".") + domain[1] + domain[2])

    def report_of(outcome, longrepr, when):
        report = pytest.TestReport(nodeid, location, {}, outcome, longrepr, when, sections)
        if node is not None:
            report.node = node
        return report

    hook = config.hook
    report = report_of("failed", text, crash.get("when") or "call")
    hook.pytest_handlecrashitem(crashitem=nodeid, report=report, sched=compat.Scheduler())
    if crash.get("late"):
        replay.end_badly(slot, report)
        return
    replay.flush(slot)
    hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
    hook.pytest_runtest_logreport(report=report)
    if report.when != "teardown":
        hook.pytest_runtest_logreport(report=report_of("passed", None, "teardown"))
    hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)
