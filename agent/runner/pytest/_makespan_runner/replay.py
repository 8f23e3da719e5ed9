"""Turns what workers sent back into the hook calls that a serial run would have made.

The end of each worker's last test, its passed teardown report and logfinish, is held back until the
worker's next test or its own end: wider fixtures may still be torn down, and what they raise or print
belongs to that very report. (A second one would give the test two entries in the JUnit XML.)
"""

import sys

import pytest

from . import conftests, frames, logs, records, unread, xmlstub


class Progress(set):
    """What the terminal has shown of, where each worker runs everything: (slot, id) in place of id."""

    slot = None  # whose block is being shown

    def add(self, nodeid):
        super().add((self.slot, nodeid))


class Replay:
    """Replays blocks into the hooks of the reporter's config."""

    def __init__(self, config):
        self.config = config
        self._hooks = conftests.Hooks(config)
        self.node_of = None  # slot -> node, where reports must say which worker they are from
        self._held = {}  # slot -> the passed teardown report held back
        self._finish = {}  # slot -> (nodeid, location) of the logfinish held back
        self._progress = Progress()  # the terminal's, where there is a node_of
        self._shelf = None  # where the terminal keeps what passed, if nobody else hears of it
        self._unfinished = {}  # slot -> (nodeid, location) of a block whose rest has yet to come

    def begin(self):
        """All plugins are there by now."""
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        if self.node_of is not None and terminal is not None:
            terminal._progress_nodeids_reported = self._progress
        elif _only_terminal_listens(self.config):
            self._shelf = unread.shelf_of(terminal)

    def block(self, slot, flags, payload):
        """One BLOCK frame."""
        self._progress.slot = slot
        entries = [entry for data in _split(payload) for entry in records.unpack(data)]
        if flags & frames.BLOCK_LATE:
            self._late(slot, entries)
            return
        if slot not in self._unfinished:
            self.flush(slot)
        where = self._unfinished.pop(slot, None)
        if where is None:
            where = _where(entries)
            if where is not None:
                self._hooks.of(where[0]).pytest_runtest_logstart(nodeid=where[0], location=where[1])
        for entry in entries:
            self._entry(slot, entry)
        if flags & frames.BLOCK_MORE:
            self._unfinished[slot] = where
        elif where is not None:
            self._finish[slot] = where

    def abandoned(self, slot, nodeid, location, entries):
        """A test that was left in the middle (pytest.exit, Ctrl-C): it began, and that is all."""
        self.flush(slot)
        self._hooks.of(nodeid).pytest_runtest_logstart(nodeid=nodeid, location=location)
        for entry in entries:
            self._entry(slot, entry)

    def _entry(self, slot, entry):
        what = entry[0]
        if what == "P":
            _what, nodeid, location, names, phases = entry
            for passed in unread.phases_of(nodeid, location, names, phases):
                self._report(slot, passed)
        elif what == "R":
            report = records.restore(self.config, entry[1])
            self._report(slot, report)
        elif what == "L":
            logs.replay(self.config, entry[1], entry[2])
        elif what == "T":
            sys.stdout.write(entry[1])
            sys.stdout.flush()
        elif what == "A":
            xmlstub.replay_attribute(self.config, *entry[1:])

    def _report(self, slot, report):
        if self.node_of is not None:
            report = unread.read(report)
            report.node = self.node_of(slot)
        if report.when == "teardown" and report.outcome == "passed":
            self._release(slot)  # a test that ran twice (reruns) has an earlier one
            self._held[slot] = report
        else:
            self._release(slot)
            self._tell(report)

    def _release(self, slot):
        report = self._held.pop(slot, None)
        if report is not None:
            self._tell(report)

    def _tell(self, report):
        if (self._shelf is not None and report.outcome == "passed" and report.when != "call"
                and type(report) in (unread.Passed, pytest.TestReport)
                and not hasattr(report, "wasxfail")):
            self._shelf.add(report)
            return
        told = unread.read(report)
        self._hooks.of(told.nodeid).pytest_runtest_logreport(report=told)
        if self._shelf is not None and told is not report:
            self._shelf.shorten(told, report)

    def _late(self, slot, entries):
        """A wider teardown: it completes the report held back, or follows it."""
        for entry in entries:
            if entry[0] != "R":
                self._entry(slot, entry)
                continue
            report = records.restore(self.config, entry[1])
            if self.node_of is not None:
                report.node = self.node_of(slot)
            held = self._held.get(slot)
            if held is not None and held.nodeid == report.nodeid:
                report.duration += held.duration
                del self._held[slot]
            if report.outcome == "passed" and held is None:
                continue  # a failure of the function level was shown already; this adds nothing
            if report.outcome == "passed":
                self._held[slot] = report
            else:
                self._hooks.of(report.nodeid).pytest_runtest_logreport(report=report)

    def end_badly(self, slot, report):
        """A test that was shown before: its worker died in what was torn down after it."""
        held = self._held.get(slot)
        if held is not None and held.nodeid == report.nodeid:
            report.duration += held.duration
            del self._held[slot]  # that teardown has not passed after all
        self._hooks.of(report.nodeid).pytest_runtest_logreport(report=report)
        self.flush(slot)

    def flush(self, slot):
        """The worker has gone on, or has ended: what was held back is complete."""
        self._progress.slot = slot
        self._release(slot)
        where = self._finish.pop(slot, None)
        if where is not None:
            self._hooks.of(where[0]).pytest_runtest_logfinish(nodeid=where[0], location=where[1])

    def flush_all(self):
        for slot in sorted(set(self._held) | set(self._finish)):
            self.flush(slot)


# Of a set-up or teardown that passed, pytest's terminal notes the time; these do nothing at all.
_DEAF = {"lfplugin", "logging-plugin", "session", "stepwiseplugin", "runner", "skipping",
         "terminal", "terminalreporter", "makespan_reporter"}


def _only_terminal_listens(config):
    """True if nobody else wants to hear of those two thirds of all reports."""
    return config.pluginmanager.hasplugin("terminalreporter") and all(
        implementation.plugin_name in _DEAF
        for hook in (config.hook.pytest_runtest_logreport, config.hook.pytest_report_teststatus)
        for implementation in hook.get_hookimpls())


def _split(payload):
    """The opaque parts of a BLOCK: u32 length, then so many bytes."""
    at = 0
    while at + 4 <= len(payload):
        size = int.from_bytes(payload[at:at + 4], "little")
        yield payload[at + 4:at + 4 + size]
        at += 4 + size


def _where(entries):
    """nodeid and location of the test that a block is about."""
    for entry in entries:
        if entry[0] == "P":
            return entry[1], tuple(entry[2])
        if entry[0] == "R" and "location" in entry[1]:
            return entry[1]["nodeid"], tuple(entry[1]["location"])
    return None
