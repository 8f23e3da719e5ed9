"""What a worker tells of its tests: their reports to the reporter, their outcomes and times to the agent.

Everything that belongs to one test goes into its account, and out as frames when the test is over; what
has failed goes at once, since the test may kill the worker yet (of several at a time, when it is over).
"""

import pytest

from . import fixtures, frames, records, shortcuts, xmlstub

# A wider teardown that was quiet and took no longer is not worth telling.
_WORTH_TELLING_SECONDS = 0.0005


class Account:
    """What one test has done so far."""

    def __init__(self, index, nodeid, wide_before=0.0):
        self.index = index
        self.fold = records.Fold(nodeid)
        self.entries = []  # for the reporter, not packed yet
        self.phases = []  # plain passes at the end of them
        self.wide_before = wide_before  # of the clock, when the last report was made
        self.held = []  # frames, where other tests run beside it
        self.over = False


class _Listening:
    """Registered only where other plugins hear of tests: what they print in their hooks is dropped,
    since the reporter will hear the same from them."""

    def __init__(self, journal):
        self._journal = journal

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_logstart(self):
        yield
        if self._journal.awake:
            self._journal.past_capture.skip()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report):
        journal = self._journal
        if not journal.awake:
            yield
            return
        journal.take_text()
        outcome = yield
        journal.past_capture.skip()
        if outcome.excinfo is None:
            journal.heard(report)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_logfinish(self):
        if self._journal.awake:
            self._journal.take_text()
        yield
        if self._journal.awake:
            self._journal.past_capture.skip()


class Journal:
    """The plugin that hears of what tests do. Registered in the zygote, awake only in workers.

    (Registered after the fork, it would be told of every collection warning again, per worker.)
    """

    def __init__(self, config, link, sender):
        self.config = config
        self.link = link
        self.sender = sender
        self.clock = fixtures.FixtureClock(self._scope_time)
        self.past_capture = None  # of a worker: what it writes while nothing captures it
        self.awake = False
        self.account = None  # of the test at hand, or of the one that was
        self._out = []  # frames not sent yet
        self._holds = False  # they go into an account for now
        self._listeners = False
        self._compact = False
        self._late = False

    def take_up(self):
        """After the collection, in the zygote: every plugin is there."""
        xmlstub.install(self.config, self._xml_attribute, self.sender)
        self._listeners = shortcuts.others_listen(self.config, self)
        if self._listeners:
            self.config.pluginmanager.register(_Listening(self), "makespan_listening")
        # A plugin that serialises reports its own way must see all of them.
        serializers = self.config.hook.pytest_report_to_serializable.get_hookimpls()
        self._compact = len(serializers) == 1

    # Frames.

    def put(self, frame):
        self._out.append(frame)

    def flush(self):
        if self._out and not self._holds:
            self.link.connection.send(self.unsent())

    def unsent(self):
        """What flush would send. It is the caller's now."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    # A test.

    def begin(self, index, nodeid):
        self.account = Account(index, nodeid, self.clock.wide_seconds)
        self.put(frames.frame(frames.START, index))

    def end(self):
        """All reports of the test have come: tell the agent."""
        account = self.account
        account.over = True
        self.take_text()
        self.end_passes()
        if account.entries:
            self._report(account.entries, 0)
        self.put(account.fold.done_frame(account.index))
        if account.fold.also is not None:
            self.put(account.fold.also_frame(account.index))

    def abandon(self, item):
        """A test was left in the middle: show what there is of it. No report is heard from here on."""
        if item is not None:
            self.end_passes()
            self.flush()
            self.sender.event("abandoned", item.nodeid, item.location, self.account.entries)
        self.account = None

    def drop(self):
        """Nobody wants to know any more."""
        self.account = None
        self._out.clear()

    # Several tests at a time: each is told of when it is over.

    def turn_to(self, account):
        """All that is told from here on is of this test, and held. Returns what `turn_back` needs."""
        before = self.account, self._out
        self.account, self._out, self._holds = account, account.held, True
        account.wide_before = self.clock.wide_seconds
        return before

    def turn_back(self, before):
        self.account, self._out = before
        self._holds = False

    def tell(self, account):
        """The test at hand is this one; what was held of it goes with what comes."""
        self.account = account
        self._out += account.held

    # What comes after a test's DONE: its late part is a report of its own.

    def begin_late(self, item):
        self.account = Account(self.account.index, item.nodeid)
        self.account.over = True

    def end_late(self, item, call, sections):
        """A wider teardown is over; `sections` were there before. True if it is a failure."""
        self.take_text()
        quiet = len(item._report_sections) == sections and not self.account.entries
        if call.excinfo is None and quiet and call.duration < _WORTH_TELLING_SECONDS:
            return False
        return self.tell_late(item, call)

    def tell_late(self, item, call):
        if getattr(item, "funcargs", ...) is None:
            item.funcargs = {}  # plugins that make reports look there
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
        if report.failed:
            self._show_late(item, call, report)
        account = self.account
        account.entries.append(("R", records.serialize(self.config, report)))
        self._report(account.entries, 1)
        account.entries = []
        account.fold.add(report, 0.0)
        if report.failed:
            self.put(frames.frame(frames.LATE, account.index,
                                  frames.OUTCOME[account.fold.outcome or "error"],
                                  account.fold.detail_bytes()))
        return report.failed

    def _show_late(self, item, call, report):
        """To plugins in this worker."""
        self._late = True
        try:
            item.ihook.pytest_runtest_logreport(report=report)
        finally:
            self._late = False
        if call.excinfo is not None:
            item.ihook.pytest_exception_interact(node=item, call=call, report=report)

    # Text past the capture (capsys.disabled(), --capture=sys and a C library): the terminal's, as in
    # a serial run. But what hooks of the log print, the same hooks print again in the reporter.

    def take_text(self):
        text = self.past_capture.take()
        if text and self.account is not None:
            self.end_passes()
            self.account.entries.append(("T", text))

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report):
        """Where nobody else listens, nobody changes the report either, nor prints when it comes."""
        if self.awake and not self._listeners:
            self.take_text()
            self.heard(report)

    def heard(self, report):
        """All plugins have seen it."""
        if not self._late and self.account is not None:
            self._take_report(self.account, report)

    def _take_report(self, account, report):
        wide = self.clock.wide_seconds
        account.fold.add(report, wide - account.wide_before)
        account.wide_before = wide
        if self._compact and records.is_plain_pass(report):
            if account.phases and len(report.keywords) != len(account.phases[0].keywords):
                self.end_passes()  # a fixture has added a marker
            account.phases.append(report)
            return
        self.end_passes()
        data = records.serialize(self.config, report)
        if data is None:
            return
        account.entries.append(("R", data))
        if report.outcome == "failed":
            # The test may kill the worker yet; what has failed must be known.
            self._report(account.entries, 0)
            account.entries = []
            self.flush()

    def end_passes(self):
        """What comes next is no plain pass."""
        account = self.account
        if account is None or not account.phases:
            return
        first = account.phases[0]
        account.entries.append(("P", first.nodeid, first.location, tuple(first.keywords), tuple(
            (report.when, report.duration, getattr(report, "start", None),
             getattr(report, "stop", None)) for report in account.phases)))
        account.phases = []

    def _report(self, entries, late):
        self.put(frames.frame(frames.REPORT, self.account.index, late,
                              records.pack(entries, self.sender.odd)))

    # What is told beside reports.

    def log_record(self, when, record):
        """A record for live logging or the log file: part of the test that runs, if one does."""
        if self.account is not None and not self.account.over:
            self.end_passes()
            self.account.entries.append(("L", when, record))
        elif self.sender.enabled:
            self.sender.event("log", when, record)

    def _xml_attribute(self, nodeid, name, value):
        if self.account is None:
            return  # of a finalizer behind a test that was left in the middle
        self.end_passes()
        self.account.entries.append(("A", nodeid, name, str(value)))

    def _scope_time(self, kind, base_id, microseconds, which):
        if self.awake:
            self.put(frames.frame(
                frames.SCOPE, min(microseconds, 0xFFFFFFFF), which,
                b"%s\0%s\0" % (kind.encode(), base_id.encode("utf-8", "backslashreplace"))))

    def pytest_warning_recorded(self, warning_message, when, nodeid, location):
        self.sender.warning(warning_message, when, nodeid, location)
