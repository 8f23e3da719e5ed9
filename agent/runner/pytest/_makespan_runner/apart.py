"""What the tests that run side by side in one worker (threads.py) have each of their own.

A thread knows its test (run_here). By that, fixtures of function scope keep a value and finalizers per
test, what a thread prints and logs goes to its test, and a failed comparison is explained in the name
of its test. Everything here is installed once, in a worker that does run tests in threads.
"""

import io
import logging
import threading

from _pytest.fixtures import FixtureDef

from . import capture, journal

_here = threading.local()  # .run: the test that this thread is at


def run_here():
    return getattr(_here, "run", None)


def set_here(run):
    """This thread is at that test now; None for at none."""
    _here.run = run


class Run:
    """A test that has been set up, or is being."""

    def __init__(self, index, item):
        self.item = item
        self.account = journal.Account(index, item.nodeid)
        self.fixtures = {}  # id of FixtureDef -> its value and finalizers for this test
        self.level = None  # what SetupState knows of the test
        self.in_thread = False
        self.call = None  # what came of the call
        self.streams = {name: io.TextIOWrapper(io.BytesIO(), "utf-8", "replace", "", write_through=True)
                        for name in ("stdout", "stderr")}
        self.log = []
        self.compare = None  # explains a failed comparison

    def text(self, name):
        return self.streams[name].buffer.getvalue().decode("utf-8", "replace")


class _PerTest:
    """An attribute of FixtureDef that a fixture of function scope has once for each test in hand."""

    def __init__(self, name, fresh):
        self._name = name
        self._fresh = fresh

    def _place(self, fixturedef):
        run = run_here()
        if run is None or fixturedef.scope != "function":
            return fixturedef.__dict__
        place = run.fixtures.get(id(fixturedef))
        if place is None:
            place = run.fixtures[id(fixturedef)] = {"of": fixturedef}  # so that its id stays its own
        return place

    def __get__(self, fixturedef, owner):
        if fixturedef is None:
            return self
        place = self._place(fixturedef)
        if self._name not in place:
            place[self._name] = self._fresh()
        return place[self._name]

    def __set__(self, fixturedef, value):
        self._place(fixturedef)[self._name] = value


class _Router:
    """Stands for sys.stdout or sys.stderr: what a test's thread writes goes to that test."""

    def __init__(self, name, stream):
        self.__dict__.update(_name=name, _stream=stream)

    def _target(self):
        run = run_here()
        return self._stream if run is None or not run.in_thread else run.streams[self._name]

    def __getattr__(self, name):
        return getattr(self._target(), name)

    def __setattr__(self, name, value):
        setattr(self._target(), name, value)

    def __iter__(self):
        return iter(self._target())


class _ThreadLog(logging.Handler):
    """Keeps what a test's thread logs until its report is made."""

    def emit(self, record):
        run = run_here()
        if run is not None and run.in_thread:
            run.log.append(record)


class Apart:
    """Installs all that. hand is the list of the tests at hand, as threads.py keeps it."""

    def __init__(self, tests, hand):
        config = tests.config
        self._wrappers = []  # of pytest: closed, they would reset what is there by then
        FixtureDef.cached_result = _PerTest("cached_result", lambda: None)
        FixtureDef._finalizers = _PerTest("_finalizers", list)
        _lock_fixtures()
        _remember_finalizers(tests.setupstate, hand)
        _route_output(config.pluginmanager.getplugin("capturemanager"))
        _route_logs(config.pluginmanager.getplugin("logging-plugin"))
        _route_comparisons(config)

    def comparison(self, item):
        """The function that pytest's own wrapper would install for this test."""
        try:
            from _pytest import assertion
            from _pytest.assertion import util

            before = util._reprcompare, util._assertion_pass, util._config
            wrapper = assertion.pytest_runtest_protocol(item)
            next(wrapper)
            found = util._reprcompare
            util._reprcompare, util._assertion_pass, util._config = before
        except Exception:
            return None
        self._wrappers.append(wrapper)
        return found


def _lock_fixtures():
    """A test that asks for a fixture while it runs must not meet another that does."""
    lock, original = threading.RLock(), FixtureDef.execute

    def execute(self, *args, **kwargs):
        with lock:
            return original(self, *args, **kwargs)

    FixtureDef.execute = execute


def _remember_finalizers(setupstate, hand):
    """A finalizer for a test whose call runs: its level is not on pytest's stack just now."""
    original = setupstate.addfinalizer

    def addfinalizer(finalizer, node):
        for run in list(hand):
            if run.item is node and run.level is not None:
                run.level[0].append(finalizer)
                return
        original(finalizer, node)

    setupstate.addfinalizer = addfinalizer


def _route_output(manager):
    running = getattr(manager, "_global_capturing", None)
    for stream in (getattr(running, "out", None), getattr(running, "err", None)):
        if isinstance(stream, capture.NamedCapture):
            stream.route(_Router)


def _route_logs(plugin):
    root = logging.getLogger()
    root.addHandler(_ThreadLog(0))
    level = getattr(plugin, "log_level", None)
    if level is not None:
        root.setLevel(min(level, root.level))
    for name in ("report_handler", "caplog_handler"):
        handler = getattr(plugin, name, None)
        if handler is not None:
            handler.addFilter(_not_in_thread)


def _not_in_thread(record):
    """Of a handler of pytest: what another test's thread logs meanwhile is not for it."""
    run = run_here()
    return run is None or not run.in_thread


def _route_comparisons(config):
    try:
        from _pytest.assertion import util
    except ImportError:
        return

    def compare(op, left, right):
        run = run_here()
        return run.compare(op, left, right) if run is not None and run.compare else None

    util._reprcompare = compare
    util._config = config
