"""Reports of set-ups and teardowns that passed, which hardly anybody reads.

pytest's terminal keeps them all, for --durations and for plugins that look at its stats. Of three reports
a test they are two, half a kilobyte each; here they are kept as what they are made of.
"""

import pytest


class Passed:
    """What a report of a phase that passed is made of."""

    __slots__ = ("nodeid", "location", "keywords", "when", "duration", "start", "stop")
    outcome = "passed"

    def __init__(self, nodeid, location, keywords, when, duration, start, stop):
        self.nodeid = nodeid
        self.location = location
        self.keywords = keywords
        self.when = when
        self.duration = duration
        self.start = start  # None where this pytest does not say
        self.stop = stop

    def report(self):
        times = {} if self.start is None else {"start": self.start, "stop": self.stop}
        return pytest.TestReport(
            nodeid=self.nodeid, location=self.location, keywords=self.keywords, outcome="passed",
            longrepr=None, when=self.when, duration=self.duration, **times)


def read(report):
    """The report itself."""
    return report.report() if type(report) is Passed else report


class Unread(list):
    """A list of reports to those who read it; each is the same one for all who ask."""

    def __getitem__(self, at):
        if isinstance(at, slice):
            return self._read_all()[at]
        report = list.__getitem__(self, at)
        if type(report) is Passed:
            report = self[at] = report.report()
        return report

    def __iter__(self):
        at = 0
        while at < len(self):  # as a list's own: what is added meanwhile is seen
            yield self[at]
            at += 1

    def _read_all(self):
        """As a plain list, for what looks at many."""
        return list(self)


def _reading_all(name):
    method = getattr(list, name)

    def read_all(self, *args, **options):
        self._read_all()
        return method(self, *args, **options)

    read_all.__name__ = name
    return read_all


# What list does in C passes __getitem__ by.
for _name in ("__add__", "__contains__", "__eq__", "__ge__", "__gt__", "__le__", "__lt__", "__mul__", "__ne__",
              "__repr__", "__reversed__", "__rmul__", "copy", "count", "index", "pop", "remove", "sort"):
    setattr(Unread, _name, _reading_all(_name))
Unread.__radd__ = lambda self, others: others + self._read_all()


def stand_in(terminal):
    """In place of the terminal's own list, and returned; None where its stats are not as expected."""
    stats = getattr(terminal, "stats", None)
    if not isinstance(stats, dict) or not isinstance(stats.get("", []), list):
        return None
    stats[""] = Unread(stats.get("", []))
    return stats[""]
