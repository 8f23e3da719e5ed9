"""Reports of phases that passed, which hardly anybody reads.

pytest's terminal keeps them all, for --durations and for plugins that look at its stats: three a test, half
a kilobyte each. Here they are kept as what they are made of.
"""

import sys

import pytest


class Passed:
    """What a report of a phase that passed is made of."""

    __slots__ = ("nodeid", "location", "names", "when", "duration", "start", "stop")
    outcome = "passed"

    def __init__(self, nodeid, location, names, when, duration, start, stop):
        self.nodeid = nodeid
        self.location = location
        self.names = names  # of its keywords
        self.when = when
        self.duration = duration
        self.start = start  # None where this pytest does not say
        self.stop = stop

    def report(self):
        times = {} if self.start is None else {"start": self.start, "stop": self.stop}
        return pytest.TestReport(
            nodeid=self.nodeid, location=self.location, keywords=dict.fromkeys(self.names, 1),
            outcome="passed", longrepr=None, when=self.when, duration=self.duration, **times)


def phases_of(nodeid, location, names, phases):
    """What stands for the reports of these phases, (when, duration, start, stop) each."""
    path, line, domain = location
    location = sys.intern(path), line, sys.intern(domain)  # most are names of other tests as well
    names = tuple(map(sys.intern, names))
    return [Passed(nodeid, location, names, *phase) for phase in phases]


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

    def replace_last(self, report, passed):
        """If it is this report."""
        if len(self) and list.__getitem__(self, -1) is report:
            self[-1] = passed

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


class Shelf:
    """Where the terminal keeps its reports."""

    def __init__(self, stats):
        self._stats = stats
        self._phases = stats[""] = Unread(stats.get("", []))

    def add(self, report):
        """A phase of which the terminal does no more than keep the report."""
        self._phases.append(report)

    def shorten(self, report, passed):
        """The terminal has had this report of a call: keep what it is made of."""
        kept = self._stats.get("passed")
        if type(kept) is list:
            kept = self._stats["passed"] = Unread(kept)
        if type(kept) is Unread:
            kept.replace_last(report, passed)


def shelf_of(terminal):
    """None where its stats are not as expected."""
    stats = getattr(terminal, "stats", None)
    if not isinstance(stats, dict) or not isinstance(stats.get("", []), list):
        return None
    return Shelf(stats)
