import copy
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
    reads = [max(quiet, key=lambda report: report.nodeid), sorted(quiet, key=lambda report: report.when)[0],
             quiet.copy()[0], (quiet * 2)[-1], next(reversed(quiet)), copy.copy(quiet)[1], list(quiet)[2]]
    terminalreporter.write_line("list: %s %s %s" % (isinstance(quiet, list), {type(one).__name__ for one in reads},
                                                    quiet.index(quiet[2])))
    quiet.sort(key=lambda report: report.nodeid)
    terminalreporter.write_line("popped: %s of %d" % (quiet.pop().nodeid, len(quiet)))
    terminalreporter.write_line("same: %s" % (quiet[0] is quiet[0] and quiet[-2:] == list(quiet)[-2:]))
