"""Found while collecting; what its hooks show and say counts all the same."""
import sys
import warnings

heard = []
print("printed by the import")
print("said by the import", file=sys.stderr)
warnings.warn("warned of by the import")


def pytest_addoption(parser):
    parser.addini("known_late", "declared by a conftest that is found late")


def pytest_configure(config):
    print("printed by configure")
    config.addinivalue_line("markers", "lovely: a test one likes")


def pytest_report_teststatus(report):
    if report.when == "call" and report.passed:
        return "lovely", "L", "LOVELY"
    return None


def pytest_runtest_logreport(report):
    if report.when == "call":
        heard.append(report.nodeid)


def pytest_terminal_summary(terminalreporter):
    for nodeid in sorted(heard):
        terminalreporter.write_line("first heard of " + nodeid)


def pytest_sessionfinish(session):
    if session.exitstatus == 0:
        session.exitstatus = 9
