import os


def note(text):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(text + "\n")


def pytest_report_header():
    note("header")


def pytest_terminal_summary(terminalreporter):
    """As plugins do that print figures of their own from the terminal's stats."""
    note("summary")
    quiet = terminalreporter.stats.get("", [])
    kinds = sorted((report.when, report.outcome, type(report).__name__, report.nodeid) for report in quiet)
    terminalreporter.write_line("quiet: %d %s" % (len(quiet), kinds))
    together = terminalreporter.stats["passed"] + quiet
    terminalreporter.write_line("together: %d of %d" % (
        sum(report.duration >= 0 for report in together), len(quiet + terminalreporter.stats["passed"])))
    terminalreporter.write_line("same: %s" % (quiet[0] is quiet[0] and quiet[-2:] == list(quiet)[-2:]))
