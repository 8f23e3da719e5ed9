"""Several tests of one worker at a time: --tests-per-worker K, for tests that wait.

Only the call of a test, its function, runs in a thread. Set-up, teardown and every hook run one after
another in the main thread, as always, since nearly all of pytest is about one process and one test at a
time: a test is set up, its fixtures and finalizers are put aside, its call is handed to a thread, and
when that has ended the call's report is made in the main thread from what the thread left: its
exception, its output, its log. So wider fixtures are shared by the tests that run together, and those
are always of one class or module, with the same parameters of wider fixtures.

Tests that change what the whole process shares run alone, and so does what is not a plain function.
"""

import contextlib
import inspect
import os
import queue
import select
import sys
import threading

import pytest
from _pytest.fixtures import FixtureDef
from _pytest.runner import CallInfo, call_and_report

from . import apart, frames, limits, marks

try:
    from _pytest.warnings import catch_warnings_for_item
except ImportError:
    catch_warnings_for_item = None

NAME = "makespan-test"  # of each thread here

# Fixtures that change, or look at, what all threads share.
_ALONE = {"monkeypatch", "recwarn", "pytester", "testdir", "mocker", "freezer", "benchmark",
          "doctest_namespace"}
_ALONE_PARTS = ("cap", "mock", "patch", "event_loop", "asyncio", "chdir", "environ")
_ALONE_MARKS = ("forked", "filterwarnings", "asyncio", "anyio", "trio", "flaky", "timeout")
# Plugins that wrap or run whole tests, and the option without which they do nothing to most.
_HARMLESS = {"pytest_rerunfailures": "reruns", "pytest_timeout": "timeout",
             "_hypothesis_pytestplugin": None, "pytest_randomly": None, "pytest_asyncio": None}


class _Phase:
    """What the agent reads when the worker has died: of a call, as long as one runs."""

    def __init__(self, phase, hand):
        self._phase = phase
        self._hand = hand

    def set(self, phase):
        self._phase.set(limits.CALL if any(run.in_thread for run in self._hand) else phase)


class Threads:
    """Runs tests side by side where that is safe. tests is runner.Tests; one per worker."""

    def __init__(self, tests, width):
        self._tests = tests
        self._width = width
        self._work = queue.SimpleQueue()
        self._ended = queue.SimpleQueue()
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._hand = []  # runs that are not over
        self._group = None  # what all of them share
        self._apart = None
        self._threads = 0
        self._logging = tests.config.pluginmanager.getplugin("logging-plugin")
        tests.phase = _Phase(tests.phase, self._hand)
        self._why_not = _why_not(tests.config)
        if self._why_not is not None:
            tests.sender.event("note", "makespan: no test runs in a thread: " + self._why_not)

    def busy(self):
        return bool(self._hand)

    def takes(self, index, item):
        """True when the test was taken, or may not start any more. Else it is to run alone, and
        nothing else does now."""
        group = None if self._why_not else _group_of(self._tests, item)
        if group is None or group != self._group:
            self.drain()
        while len(self._hand) >= self._width:
            self.wait(False)
        if group is None:
            return self._tests.told_stop
        self._tests.make_way(item)
        if self._tests.told_stop:
            return True
        self._group = group
        self._begin(apart.Run(index, item))
        return True

    def drain(self):
        """Until all tests in hand are over."""
        while self._hand:
            self.wait(False)

    def wait(self, hear):
        """For the end of a call, or, if hear is set, for a word of the agent."""
        connection = self._tests.link.connection
        self._tests.phase.set(limits.CALL)
        if not hear or not connection.has_frame():
            select.select([self._reading] + ([connection] if hear else []), [], [])
        try:
            os.read(self._reading, 4096)
        except BlockingIOError:
            return
        while not self._ended.empty():
            self._finish(self._ended.get())

    # One test.

    def _begin(self, run):
        if self._apart is None:
            self._apart = apart.Apart(self._tests, self._hand)
            self._tests.config.pluginmanager.register(self, "makespan_threads")
        self._hand.append(run)
        tests = self._tests
        tests.journal.put(frames.frame(frames.START, run.account.index))
        tests.phase.set(limits.SETUP)
        tests.journal.flush()
        with _Main(tests, run):
            run.item.ihook.pytest_runtest_logstart(nodeid=run.item.nodeid,
                                                   location=run.item.location)
            report = self._phase(run, "setup")
        run.level = tests.setupstate.stack.pop(run.item, None)
        if not report.passed:
            self._finish(run)
            return
        run.compare = self._apart.comparison(run.item)
        run.in_thread = True
        if self._threads < len(self._hand):
            self._threads += 1
            threading.Thread(target=self._serve, name=NAME, daemon=True).start()
        tests.phase.set(limits.CALL)
        self._work.put(run)

    def _serve(self):
        """A thread."""
        while True:
            run = self._work.get()
            apart.set_here(run)
            run.call = CallInfo.from_call(run.item.runtest, "call", reraise=None)
            apart.set_here(None)
            self._ended.put(run)
            os.write(self._writing, b".")

    def _finish(self, run):
        """The rest of a test, in the main thread."""
        tests = self._tests
        run.in_thread = False
        if run.level is not None:
            tests.setupstate.stack[run.item] = run.level
            run.level = None
        with _Main(tests, run):
            if run.call is not None:
                run.item.runtest = lambda: self._replay(run)
                self._phase(run, "call")
                del run.item.runtest
            tests.provisional = None
            self._phase(run, "teardown", nextitem=run.item.parent)
            if getattr(run.item, "_request", None):
                run.item._request = False
                run.item.funcargs = None
            run.item.ihook.pytest_runtest_logfinish(nodeid=run.item.nodeid,
                                                    location=run.item.location)
        self._hand.remove(run)
        tests.current, tests.last = None, run.item
        tests.journal.tell(run.account)
        for ended in tests.after_test:
            ended()
        tests.finish()
        tests.journal.flush()

    def _phase(self, run, when, **more):
        item = run.item
        if when == "setup" and hasattr(item, "_initrequest") and not item._request:
            item._initrequest()
        with self._warnings(item):
            return call_and_report(item, when, True, **more)

    def _warnings(self, item):
        plugin = self._tests.config.pluginmanager.getplugin("warnings")
        if catch_warnings_for_item is None or plugin is None:
            return contextlib.nullcontext()
        return catch_warnings_for_item(config=item.config, ihook=item.ihook, when="runtest",
                                       item=item)

    def _replay(self, run):
        """In place of the test's function, where pytest captures: what its thread left."""
        for name in ("stdout", "stderr"):
            getattr(sys, name).write(run.text(name))
        handlers = [getattr(self._logging, name, None)
                    for name in ("report_handler", "caplog_handler", "log_cli_handler",
                                 "log_file_handler")]
        for record in run.log:
            for handler in handlers:
                if handler is not None and record.levelno >= handler.level:
                    handler.handle(record)
        if run.call.excinfo is not None:
            problem = run.call.excinfo.value
            raise problem.with_traceback(run.call.excinfo.tb)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item, call):
        run = apart.run_here()
        if run is not None and call.when == "call" and run.call is not None:
            call.start, call.stop = run.call.start, run.call.stop
            call.duration = run.call.duration
        yield


class _Main:
    """The main thread is at this test: reports and fixtures are its own."""

    def __init__(self, tests, run):
        self._tests = tests
        self._run = run

    def __enter__(self):
        tests, run = self._tests, self._run
        apart.set_here(run)
        self._before = tests.journal.turn_to(run.account), tests.current
        tests.current = run.item

    def __exit__(self, *raised):
        tests, run = self._tests, self._run
        journal_before, tests.current = self._before
        tests.journal.turn_back(journal_before)
        apart.set_here(None)
        if raised[0] is not None:  # the session ends here: this is the test it ends in
            tests.journal.tell(run.account)
            tests.current = run.item


def _why_not(config):
    """Why nothing can run in threads here, or None."""
    hooks = (config.hook.pytest_runtest_protocol, config.hook.pytest_runtest_call)
    for implementation in [one for hook in hooks for one in hook.get_hookimpls()]:
        module = (getattr(implementation.function, "__module__", None) or "").split(".")[0]
        if module in ("_pytest", __name__.split(".")[0]):
            continue
        option = _HARMLESS.get(module, "")
        if option == "" or (option and getattr(config.option, option, None)):
            return "%s wraps whole tests" % module
    if not hasattr(FixtureDef, "execute") or hasattr(FixtureDef, "_finalizers"):
        return "this pytest keeps its fixtures in another way"
    return None


def _group_of(tests, item):
    """Tests of one group may run side by side; None for a test that runs alone."""
    if type(item) is not pytest.Function or inspect.iscoroutinefunction(item.obj):
        return None
    if getattr(item.obj, "is_hypothesis_test", False):
        return None
    names = item.fixturenames
    if not _ALONE.isdisjoint(names) or "request" in item._fixtureinfo.argnames:
        return None
    if any(part in name for name in names for part in _ALONE_PARTS):
        return None
    if any(item.get_closest_marker(name) is not None for name in _ALONE_MARKS):
        return None
    if marks.of(item).get("serial"):
        return None
    if tests.isolation.wants(item):
        return None
    callspec = getattr(item, "callspec", None)
    wide = ()
    if callspec is not None:
        scopes = getattr(callspec, "_arg2scope", {})
        wide = tuple(sorted(
            (name, index) for name, index in getattr(callspec, "indices", {}).items()
            if getattr(scopes.get(name), "value", "function") != "function"))
    return item.parent, wide
