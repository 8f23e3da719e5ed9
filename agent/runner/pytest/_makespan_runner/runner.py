"""Runs the tests that the agent names, one at a time. The inside of a worker.

The teardown of a test needs to know the next one. Where none is known when its call has ended, the agent
is asked. If it has none to name yet, only the function level is torn down; the wider fixtures go when the
next id, or SETTLE, has come, and what they raise is a second teardown report of the test before.
"""

import collections
import contextlib
import os
import signal

import pytest
from _pytest import runner as pytest_runner
from _pytest.runner import CallInfo

from . import (benchmark, deferred, fixtures, frames, isolate, limits, manifest, memory, records,
               shortcuts, threads, xmlstub)

try:
    from _pytest.warnings import catch_warnings_for_item
except ImportError:  # a pytest that has moved it: warnings of late teardowns are not recorded
    catch_warnings_for_item = None


_PHASES = {"setup": limits.SETUP, "call": limits.CALL, "teardown": limits.TEARDOWN}


class _Listening:
    """Registered only where other plugins hear of tests: what they print in their hooks is dropped,
    since the reporter will hear the same from them."""

    def __init__(self, tests):
        self._tests = tests

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_logstart(self):
        yield
        if self._tests.awake:
            self._tests.past_capture.skip()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report):
        if not self._tests.awake:
            yield
            return
        self._tests._take_text()
        outcome = yield
        self._tests.past_capture.skip()
        if outcome.excinfo is None:
            self._tests.heard(report)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_logfinish(self):
        if self._tests.awake:
            self._tests._take_text()
        yield
        if self._tests.awake:
            self._tests.past_capture.skip()


class Tests:
    """The plugin that runs tests. Registered in the zygote, awake only in workers.

    (Registered after the fork, it would be told of every collection warning again, per worker.)
    """

    def __init__(self, config, link, sender):
        self.config = config
        self.link = link
        self.sender = sender
        self.clock = fixtures.FixtureClock(self._scope_time)
        self.session = None
        self.items = []
        self.queue = collections.deque()
        self.current = None  # the item that runs
        self.last = None  # the item that ran last: wider teardowns are reported as its own
        self.old_sigint = signal.SIG_DFL
        self.awake = False
        self._out = []  # frames not sent yet
        self._index = 0
        self._fold = None
        self._entries = []
        self._phases = []
        self._wide_before = 0.0
        self._provisional = None  # what was passed as nextitem because none was known
        self._answer = None  # to ASK, where no test is named: whether one may come later
        self._by_id = None  # (id, k) -> item, where this process has collected for itself
        self._stand_in = None  # (id, k) -> what stands for a test that was found late
        self._ran = {}  # index -> properties it had before its first run
        self.past_capture = None
        self.phase = None  # where the agent reads what this worker is at
        self.stacks = None
        self.listeners = False
        self._after_test = [link.thaw.test_ended]
        self._told_stop = False
        self._settle_asked = False
        self._quit_asked = False
        self._useless = False  # what runs has ended on another machine, which was faster
        self._isolation = isolate.Isolation(self)
        self.high_water = memory.HighWater()
        self._threads = None  # where several tests run at a time
        self.holds = False  # frames are kept for now

    def take(self, session, items):
        """After the collection, in the zygote."""
        self.session = session
        self.items = items
        self._setupstate = session._setupstate
        self._teardown_exact = self._setupstate.teardown_exact
        self._call_and_report = pytest_runner.call_and_report
        pytest_runner.call_and_report = self._call_and_report_late
        xmlstub.install(self.config, self._xml_attribute, self.sender)
        measuring = benchmark.sender_of(self.config, self.sender)
        if measuring is not None:
            self._after_test.append(measuring)
        self._isolation.take_over()
        shortcuts.after_collection(self.config)
        self.listeners = shortcuts.others_listen(self.config, self)
        if self.listeners:
            self.config.pluginmanager.register(_Listening(self), "makespan_listening")
        # A plugin that serialises reports its own way must see all of them.
        serializers = self.config.hook.pytest_report_to_serializable.get_hookimpls()
        self._compact = len(serializers) == 1

    def know_by_id(self, by_id):
        """The agent's numbers are of another process's collection: tests are found by their ids."""
        self._by_id = by_id
        self.items = {}

    def know_late(self, stand_in):
        """Tests may be found that this collection does not have: they are numbered behind all others."""
        self._stand_in = stand_in
        self.items = list(self.items)

    # Frames.

    def use_threads(self, width):
        """In a worker: up to so many tests at a time."""
        if width > 1:
            self._threads = threads.Threads(self, width)

    def _flush(self):
        if self._out and not self.holds:
            self.link.connection.send(b"".join(self._out))
            self._out.clear()

    def _handle(self, message):
        kind, _flags, a, b, payload = message
        if kind == frames.RUN and self._told_stop:
            return  # it was on its way: nothing starts any more
        if kind == frames.RUN:
            if self._by_id is not None:
                self.items[a] = self._by_id.get((payload, b)) or self._stand_in(payload, b)
            elif a >= len(self.items):
                self.items.extend([None] * (a + 1 - len(self.items)))
            if self.items[a] is None:
                self.items[a] = self._stand_in(payload, b)
            self.queue.append(a)
        elif kind == frames.CANCEL:
            self.queue.clear()
            if self._threads is not None:
                self._threads.drain()
            self._out.append(frames.frame(frames.IDLE, 1))
        elif kind == frames.NONE:
            self._answer = frames.NONE_LAST if a else frames.NONE_YET
        elif kind == frames.SETTLE:
            self._settle_asked = True
        elif kind == frames.QUIT:
            self._quit_asked = True
            self._useless = a == 1
            if self._useless:  # and the agent drops what it says: nothing else may begin
                self.queue.clear()

    def _poll(self):
        while True:
            message = self.link.connection.poll()
            if message is None:
                return
            self._handle(message)

    # The loop.

    def loop(self):
        """Run what the agent names until it says QUIT."""
        while True:
            self._poll()  # a CANCEL counts for every test that has not started
            if self.queue:
                self._run_next()
            elif self._threads is not None and self._threads.busy():
                self._threads.wait(True)
            elif self._settle_asked or self._quit_asked:
                self._teardown_wider(None)
                self.phase.set(limits.FINISH if self._quit_asked else limits.NOTHING)
                self._out.append(frames.frame(frames.IDLE))
                self._flush()
                self._settle_asked = False
                if self._quit_asked:
                    return
            else:
                self._flush()
                self._handle(self.link.connection.receive())

    def _run_next(self):
        index = self.queue.popleft()
        item = self.items[index]
        if type(item) is deferred.StandIn:
            item = self.items[index] = item.find()
            self._out.extend(manifest.found_frames(deferred.take_found(item)))
        self._prepare_again(index, item)
        if self._threads is not None and self._threads.takes(index, item):
            return
        self.make_way(item)
        if self._told_stop:
            return
        self._index = index
        self._fold = records.Fold(item.nodeid)
        self._entries = []
        self._phases = []
        self._wide_before = self.clock.wide_seconds
        self.current = item
        self._out.append(frames.frame(frames.START, index))
        self.phase.set(limits.SETUP)
        self._flush()
        if self._isolation.wants(item):
            self._isolation.run(index, item)
        else:
            self.run_here(index, item)
        self.current, self.last = None, item

    def make_way(self, item):
        """Before a test: what it does not share goes."""
        if self._setupstate.stack:
            self._teardown_wider(item)

    def _next_item(self):
        item = self.items[self.queue[0]]
        return item.found() if type(item) is deferred.StandIn else item

    def run_here(self, index, item, *until):
        """The protocol of one test, and its DONE. It is torn down to `until`, or as the queue says."""
        if until:
            nextitem, self._provisional = until[0], None
        elif self.queue:
            nextitem, self._provisional = self._next_item(), None
        else:
            nextitem = self._provisional = item.parent
        item.ihook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        self.phase.set(limits.NOTHING)
        self.current, self.last = None, item
        self._fold.memory_kib = self.high_water.of_test(self._fold.seconds["call"])
        for ended in self._after_test:
            ended()
        self.finish(index)

    def finish(self, index):
        """All reports of the test have come: tell the agent."""
        self._take_text()
        self._end_entry()
        if self._entries:
            self._report(self._entries, 0)
        self._out.append(self._fold.done_frame(index))
        if self._fold.also is not None:
            self._out.append(self._fold.also_frame(index))
        self._check_stop()

    def stop(self, why, status, reason):
        """The loop was left by an exception: no queued test may start, here or elsewhere."""
        self._abandon()
        self.queue.clear()
        self._told_stop = True
        self._out.append(frames.frame(frames.STOP, why, status, reason.encode("utf-8", "replace")))
        self._flush()

    def drop_useless(self):
        """After an interrupt: true when it was for the running test only. Then all is torn down by now."""
        self._poll()
        if not self._useless:
            return False
        self.phase.set(limits.FINISH)
        self.current = self._fold = None
        self.queue.clear()
        self._out.clear()
        try:
            self._teardown_exact(None)
        except BaseException:  # of a test that was cut: it says nothing about the fixtures
            pass
        return True

    def say_bye(self, status, workeroutput):
        self._out.append(frames.frame(frames.BYE, status & 0xFFFFFFFF,
                                      _milliseconds_without_cpu(), workeroutput))
        self._flush()

    def _abandon(self):
        """The protocol was left in the middle of a test: show what there is of it."""
        item, self.current = self.current, None
        if item is not None:
            self._end_entry()
            self._flush()
            self.sender.event("abandoned", item.nodeid, item.location, self._entries)
            self.last = item
        self._fold = None

    def _prepare_again(self, index, item):
        """A test that runs a second time in this worker starts as it was."""
        if index in self._ran:
            item.user_properties[:] = self._ran[index]
            item._report_sections.clear()
        else:
            self._ran[index] = tuple(item.user_properties)

    def _check_stop(self):
        """-x, session.shouldstop: queued tests must not start, here or elsewhere."""
        session = self.session
        if self._told_stop or not (session.shouldfail or session.shouldstop):
            return
        self._told_stop = True
        self.queue.clear()
        why = frames.STOP_MAXFAIL if session.shouldfail else frames.STOP_SHOULDSTOP
        reason = str(session.shouldfail or session.shouldstop)
        if why == frames.STOP_SHOULDSTOP:
            self.sender.event("shouldstop", reason)
        self._out.append(frames.frame(frames.STOP, why, 0, reason.encode()))

    # Teardown.

    def _call_and_report_late(self, item, when, *args, **kwargs):
        """In place of pytest's: the last moment to learn of the next test, for every plugin."""
        self.phase.set(_PHASES.get(when, limits.CALL))
        if when == "teardown" and self._provisional is not None and (
                kwargs.get("nextitem") is self._provisional):
            kwargs["nextitem"] = self._ask_next()
        return self._call_and_report(item, when, *args, **kwargs)

    def _ask_next(self):
        """The next test; None if there is none; what stands for one that is not known yet."""
        self._poll()
        if not self.queue and not self._ends():
            self._answer = None
            self._out.append(frames.frame(frames.ASK, self._index))
            self._flush()
            while not self.queue and self._answer is None and not self._ends():
                self._handle(self.link.connection.receive())
        if self.queue:
            return self._next_item()
        return None if self._answer == frames.NONE_LAST else self._provisional

    def _ends(self):
        """No test will follow here: what is set up goes as the last thing that this worker does."""
        return bool(self.session.shouldfail or self.session.shouldstop or self._quit_asked)

    def _teardown_wider(self, nextitem):
        """Tear down what the next test does not share. Errors are the last test's own."""
        stack = self._setupstate.stack
        if not stack or nextitem is not None and _shares(nextitem, list(stack)):
            return
        item, self._provisional = self.last, None
        self.phase.set(limits.WIDER)
        os.environ["PYTEST_CURRENT_TEST"] = "%s (teardown)" % item.nodeid.replace("\0", "(null)")
        sections = len(item._report_sections)
        with self._watched(item):
            call = CallInfo.from_call(lambda: self._teardown_exact(nextitem), when="teardown",
                                      reraise=(pytest.exit.Exception, KeyboardInterrupt))
        os.environ.pop("PYTEST_CURRENT_TEST", None)
        self.high_water.reset()
        self._entries = []
        self._take_text()
        quiet = len(item._report_sections) == sections and not self._entries
        if call.excinfo is None and quiet and call.duration < 0.0005:
            return
        self._tell_late(item, call)

    def late_error(self, item, call):
        """What went wrong after the DONE of a test that has just run."""
        self._entries = []
        self._tell_late(item, call)

    def _tell_late(self, item, call):
        if getattr(item, "funcargs", ...) is None:
            item.funcargs = {}  # plugins that make reports look there
        self._fold = records.Fold(item.nodeid)
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
        self._send_late(item, call, report)

    def _send_late(self, item, call, report):
        if report.failed:
            self._late = True
            try:
                item.ihook.pytest_runtest_logreport(report=report)
            finally:
                self._late = False
            if call.excinfo is not None:
                item.ihook.pytest_exception_interact(node=item, call=call, report=report)
        data = records.serialize(self.config, report)
        self._report(self._entries + [("R", data)], 1)
        self._entries = []
        self._fold.add(report, 0.0)
        if report.failed:
            self._out.append(frames.frame(frames.LATE, self._index,
                                          frames.OUTCOME[self._fold.outcome or "error"],
                                          self._fold.detail_bytes()))
            self._check_stop()

    _late = False

    @contextlib.contextmanager
    def _watched(self, item):
        """Capture and warnings as around any other phase of a test."""
        with contextlib.ExitStack() as stack:
            if catch_warnings_for_item is not None and self.config.pluginmanager.getplugin(
                    "warnings") is not None:
                stack.enter_context(catch_warnings_for_item(
                    config=self.config, ihook=item.ihook, when="runtest", item=item))
            manager = self.config.pluginmanager.getplugin("capturemanager")
            if manager is not None:
                stack.enter_context(manager.item_capture("teardown", item))
            yield

    # Text past the capture (capsys.disabled(), --capture=sys and a C library): the terminal's, as in
    # a serial run. But what hooks of the log print, the same hooks print again in the reporter.

    def _take_text(self):
        text = self.past_capture.take()
        if text:
            self._end_entry()
            self._entries.append(("T", text))

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report):
        """Where nobody else listens, nobody changes the report either, nor prints when it comes."""
        if self.awake and not self.listeners:
            self._take_text()
            self.heard(report)

    def heard(self, report):
        """All plugins have seen it."""
        if not self._late and self._fold is not None:
            self._take_report(report)

    def _take_report(self, report):
        wide = self.clock.wide_seconds
        self._fold.add(report, wide - self._wide_before)
        self._wide_before = wide
        if self._compact and records.is_plain_pass(report):
            if self._phases and len(report.keywords) != len(self._phases[0].keywords):
                self._end_entry()  # a fixture has added a marker
            self._phases.append(report)
            return
        self._end_entry()
        data = records.serialize(self.config, report)
        if data is None:
            return
        self._entries.append(("R", data))
        if report.outcome == "failed":
            # The test may kill the worker yet; what has failed must be known.
            self._report(self._entries, 0)
            self._entries = []
            self._flush()

    def _end_entry(self):
        """Close the run of plain passes."""
        if not self._phases:
            return
        first = self._phases[0]
        self._entries.append(("P", first.nodeid, first.location, tuple(first.keywords), tuple(
            (report.when, report.duration, getattr(report, "start", None),
             getattr(report, "stop", None)) for report in self._phases)))
        self._phases = []

    def _report(self, entries, late):
        self._out.append(frames.frame(frames.REPORT, self._index, late,
                                      records.pack(entries, self.sender.odd)))

    def log_record(self, when, record):
        """A record for live logging or the log file: part of the test that runs, if one does."""
        if self.current is not None:
            self._end_entry()
            self._entries.append(("L", when, record))
        elif self.sender.enabled:
            self.sender.event("log", when, record)

    def _xml_attribute(self, nodeid, name, value):
        self._end_entry()
        self._entries.append(("A", nodeid, name, str(value)))

    def _scope_time(self, kind, base_id, microseconds, which):
        if self.awake:
            self._out.append(frames.frame(
                frames.SCOPE, min(microseconds, 0xFFFFFFFF), which,
                b"%s\0%s\0" % (kind.encode(), base_id.encode("utf-8", "backslashreplace"))))

    def pytest_warning_recorded(self, warning_message, when, nodeid, location):
        self.sender.warning(warning_message, when, nodeid, location)


def _shares(item, stack):
    """True if a test finds all that is set up already in its own chain."""
    return stack[-1] is item.parent or item.listchain()[:len(stack)] == stack


def _milliseconds_without_cpu():
    """How long this worker would have run if it had had a CPU. (All else it did not run, it slept.)"""
    try:
        with open("/proc/self/schedstat") as stream:
            return int(stream.read().split()[1]) // 1000000
    except (OSError, ValueError, IndexError):
        return 0
