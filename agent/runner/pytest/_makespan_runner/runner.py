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

from . import benchmark, deferred, frames, isolate, journal, limits, manifest, memory, shortcuts, threads

try:
    from _pytest.warnings import catch_warnings_for_item
except ImportError:  # a pytest that has moved it: warnings of late teardowns are not recorded
    catch_warnings_for_item = None


_PHASES = {"setup": limits.SETUP, "call": limits.CALL, "teardown": limits.TEARDOWN}


class Tests:
    """Runs tests in a worker; made in the zygote."""

    def __init__(self, config, link, sender):
        self.config = config
        self.link = link
        self.sender = sender
        self.journal = journal.Journal(config, link, sender)
        self.session = None
        self.items = []
        self.queue = collections.deque()
        self.current = None  # the item that runs
        self.last = None  # the item that ran last: wider teardowns are reported as its own
        self.old_sigint = signal.SIG_DFL
        self.provisional = None  # what was passed as nextitem because none was known
        self._answer = None  # to ASK, where no test is named: whether one may come later
        self._by_id = None  # (id, k) -> item, where this process has collected for itself
        self._stand_in = None  # (id, k) -> what stands for a test that was found late
        self._ran = {}  # index -> properties it had before its first run
        self.phase = None  # where the agent reads what this worker is at
        self.stacks = None
        self.after_test = [link.thaw.test_ended]
        self.told_stop = False
        self._settle_asked = False
        self._quit_asked = False
        self._useless = False  # what runs has ended on another machine, which was faster
        self.isolation = isolate.Isolation(self)
        self.high_water = memory.HighWater()
        self._threads = None  # where several tests run at a time

    def take(self, session, items):
        """After the collection, in the zygote."""
        self.session = session
        self.items = items
        self.setupstate = session._setupstate
        self.teardown_exact = self.setupstate.teardown_exact
        self._call_and_report = pytest_runner.call_and_report
        pytest_runner.call_and_report = self._call_and_report_late
        measuring = benchmark.sender_of(self.config, self.sender)
        if measuring is not None:
            self.after_test.append(measuring)
        self.isolation.take_over()
        shortcuts.after_collection(self.config)
        self.journal.take_up()

    def know_by_id(self, by_id):
        """The agent's numbers are of another process's collection: tests are found by their ids."""
        self._by_id = by_id
        self.items = {}

    def know_late(self, stand_in):
        """Tests may be found that this collection does not have: they are numbered behind all others."""
        self._stand_in = stand_in
        self.items = list(self.items)

    def use_threads(self, width):
        """In a worker: up to so many tests at a time."""
        if width > 1:
            self._threads = threads.Threads(self, width)

    # Frames.

    def _handle(self, message):
        kind, _flags, a, b, payload = message
        if kind == frames.RUN and self.told_stop:
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
            self.journal.put(frames.frame(frames.IDLE, 1))
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
        self.isolation.begin()
        while True:
            self._poll()  # a CANCEL counts for every test that has not started
            if self.queue:
                self._run_next()
            elif self._threads is not None and self._threads.busy():
                self._threads.wait(True)
            elif self._settle_asked or self._quit_asked:
                self._teardown_wider(None)
                self.phase.set(limits.FINISH if self._quit_asked else limits.NOTHING)
                self.journal.put(frames.frame(frames.IDLE))
                self.journal.flush()
                self._settle_asked = False
                if self._quit_asked:
                    return
            else:
                self.journal.flush()
                self._handle(self.link.connection.receive())

    def _run_next(self):
        index = self.queue.popleft()
        item = self.items[index]
        if type(item) is deferred.StandIn:
            item = self.items[index] = item.find()
            for found in manifest.found_frames(deferred.take_found(item)):
                self.journal.put(found)
        self._prepare_again(index, item)
        if self._threads is not None and self._threads.takes(index, item):
            return
        self.make_way(item)
        if self.told_stop:
            return
        self.journal.begin(index, item.nodeid)
        self.current = item
        self.phase.set(limits.SETUP)
        self.journal.flush()
        if self.isolation.wants(item):
            self.isolation.run(item)
        else:
            self.run_here(item)
        self.current, self.last = None, item

    def make_way(self, item):
        """Before a test: what it does not share goes."""
        if self.setupstate.stack:
            self._teardown_wider(item)

    def _next_item(self):
        item = self.items[self.queue[0]]
        return item.found() if type(item) is deferred.StandIn else item

    def run_here(self, item, *until):
        """The protocol of one test, and its DONE. It is torn down to `until`, or as the queue says."""
        if until:
            nextitem, self.provisional = until[0], None
        elif self.queue:
            nextitem, self.provisional = self._next_item(), None
        else:
            nextitem = self.provisional = item.parent
        item.ihook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        self.phase.set(limits.NOTHING)
        self.current, self.last = None, item
        fold = self.journal.account.fold
        fold.memory_kib = self.high_water.of_test(fold.seconds["call"])
        for ended in self.after_test:
            ended()
        self.finish()

    def finish(self):
        """All reports of the test have come."""
        self.journal.end()
        self._check_stop()

    def stop(self, why, status, reason):
        """The loop was left by an exception: no queued test may start, here or elsewhere."""
        self._abandon()
        self.queue.clear()
        self.told_stop = True
        self.journal.put(frames.frame(frames.STOP, why, status, reason.encode("utf-8", "replace")))
        self.journal.flush()

    def drop_useless(self):
        """After an interrupt: true when it was for the running test only. Then all is torn down by now."""
        self._poll()
        if not self._useless:
            return False
        self.phase.set(limits.FINISH)
        self.current = None
        self.journal.drop()
        self.queue.clear()
        try:
            self.teardown_exact(None)
        except BaseException:  # of a test that was cut: it says nothing about the fixtures
            pass
        return True

    def say_bye(self, status, workeroutput):
        self.journal.put(frames.frame(frames.BYE, status & 0xFFFFFFFF,
                                      _milliseconds_without_cpu(), workeroutput))
        self.journal.flush()

    def _abandon(self):
        """The protocol was left in the middle of a test."""
        self.journal.abandon(self.current)
        self.current, self.last = None, self.current or self.last

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
        if self.told_stop or not (session.shouldfail or session.shouldstop):
            return
        self.told_stop = True
        self.queue.clear()
        why = frames.STOP_MAXFAIL if session.shouldfail else frames.STOP_SHOULDSTOP
        reason = str(session.shouldfail or session.shouldstop)
        if why == frames.STOP_SHOULDSTOP:
            self.sender.event("shouldstop", reason)
        self.journal.put(frames.frame(frames.STOP, why, 0, reason.encode()))

    # Teardown.

    def _call_and_report_late(self, item, when, *args, **kwargs):
        """In place of pytest's: the last moment to learn of the next test, for every plugin."""
        self.phase.set(_PHASES.get(when, limits.CALL))
        if when == "teardown" and self.provisional is not None and (
                kwargs.get("nextitem") is self.provisional):
            kwargs["nextitem"] = self._ask_next()
        return self._call_and_report(item, when, *args, **kwargs)

    def _ask_next(self):
        """The next test; None if there is none; what stands for one that is not known yet."""
        self._poll()
        if not self.queue and not self._ends():
            self._answer = None
            self.journal.put(frames.frame(frames.ASK, self.journal.account.index))
            self.journal.flush()
            while not self.queue and self._answer is None and not self._ends():
                self._handle(self.link.connection.receive())
        if self.queue:
            return self._next_item()
        return None if self._answer == frames.NONE_LAST else self.provisional

    def _ends(self):
        """No test will follow here: what is set up goes as the last thing that this worker does."""
        return bool(self.session.shouldfail or self.session.shouldstop or self._quit_asked)

    def _teardown_wider(self, nextitem):
        """Tear down what the next test does not share. Errors are the last test's own."""
        stack = self.setupstate.stack
        if not stack or nextitem is not None and _shares(nextitem, list(stack)):
            return
        item, self.provisional = self.last, None
        self.phase.set(limits.WIDER)
        os.environ["PYTEST_CURRENT_TEST"] = "%s (teardown)" % item.nodeid.replace("\0", "(null)")
        sections = len(item._report_sections)
        with self._watched(item):
            call = CallInfo.from_call(lambda: self.teardown_exact(nextitem), when="teardown",
                                      reraise=(pytest.exit.Exception, KeyboardInterrupt))
        os.environ.pop("PYTEST_CURRENT_TEST", None)
        self.high_water.reset()
        self.journal.begin_late(item)
        if self.journal.end_late(item, call, sections):
            self._check_stop()

    def late_error(self, item, call):
        """What went wrong after the DONE of a test that has just run."""
        self.journal.begin_late(item)
        if self.journal.tell_late(item, call):
            self._check_stop()

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
