"""Reports of set-ups and teardowns that passed, which hardly anybody reads.

pytest's terminal keeps them all, for --durations and for plugins that look at its stats. Of three reports
a test they are two, half a kilobyte each; here they are kept as what they are made of.
"""

import collections.abc

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


class Unread(collections.abc.MutableSequence):
    """A list of reports to those who read it."""

    def __init__(self, reports=()):
        self._kept = list(reports)

    def __len__(self):
        return len(self._kept)

    def __getitem__(self, at):
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self._kept)))]
        report = self._kept[at] = read(self._kept[at])  # the same one for all who ask
        return report

    def __setitem__(self, at, report):
        self._kept[at] = report

    def __delitem__(self, at):
        del self._kept[at]

    def insert(self, at, report):
        self._kept.insert(at, report)

    def append(self, report):
        self._kept.append(report)

    def __add__(self, others):
        return list(self) + list(others)

    def __radd__(self, others):
        return list(others) + list(self)

    def __eq__(self, other):
        return list(self) == list(other) if isinstance(other, (list, Unread)) else NotImplemented

    __hash__ = None


def stand_in(terminal):
    """In place of the terminal's own list, and returned; None where its stats are not as expected."""
    stats = getattr(terminal, "stats", None)
    if not isinstance(stats, dict) or not isinstance(stats.get("", []), list):
        return None
    stats[""] = Unread(stats.get("", []))
    return stats[""]
