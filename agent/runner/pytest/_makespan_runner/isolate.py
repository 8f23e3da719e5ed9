"""Each test in a fork of its own: --isolate, --forked, @pytest.mark.forked.

The worker sets up the wider fixtures of the test, as in a serial run; then a fork of it runs the test
in full, with every plugin's wrappers, and speaks through a pipe in place of the connection. So each
test finds the fixtures as they were set up, whatever the tests before it did to them, and they are
paid for once a worker. (pytest-forked sets them up again for every test.) What a fork would break is
set up in the child instead: once a wider fixture is seen to start a thread or to open a socket, this
worker tears all down and leaves wider fixtures to the children.

A child that dies is a crashed test with its last words; the worker lives on.
"""

import marshal
import os

import pytest
from _pytest import skipping
from _pytest.runner import CallInfo

from . import atfork, events, frames, orphan, relay, stopwatch, threads


class ChildError(Exception):
    """An internal error in the child of an isolated test; the text is the traceback from there."""


class Isolation:
    """Decides which tests are isolated, and runs them so. One per worker; tests is runner.Tests."""

    def __init__(self, tests):
        option = tests.config.option
        self._tests = tests
        self._all = bool(tests.link.settings.get("isolate") or getattr(option, "forked", False))
        self._in_parent = True  # wider fixtures are set up here
        self._sockets = set()  # those that were open when this worker began
        self._looked_at = None  # wide_seconds of the clock when threads and sockets were looked for

    def take_over(self):
        """In the zygote: pytest-forked, where it is there, would fork once more."""
        manager = self._tests.config.pluginmanager
        plugin = manager.getplugin("pytest_forked")
        if plugin is not None:
            manager.unregister(plugin)

    def begin(self):
        """In the worker, before its first test."""
        self._sockets = _sockets()

    def wants(self, item):
        return self._all or item.get_closest_marker("forked") is not None

    def run(self, item):
        """The test, from after its START to its DONE."""
        tests = self._tests
        if _is_skipped(item):
            tests.run_here(item, item.parent)
            return
        if self._looked_at is None:
            self._share()
        nextitem = self._set_up_wider(item)
        tests.journal.flush()
        began = stopwatch.seconds()
        pid, fd = self._fork(item, nextitem)
        tests.stacks.child = pid
        told = relay.Relay(tests, pid)
        try:
            told.until_end(fd)
        finally:
            tests.stacks.child = None
            os.close(fd)
        if told.raised is not None:
            self._raise(told.raised)
        if not told.done:
            self._crashed(item, told, stopwatch.seconds() - began)
        elif told.status:
            self._crashed_late(item, told)
        elif told.failed:
            tests.session.testsfailed += 1
        if told.stopped:
            tests.told_stop = True
            tests.queue.clear()

    def _share(self):
        """Before the first fork: what all children must share."""
        self._looked_at = 0.0
        self._tests.stacks.pass_on()
        factory = getattr(self._tests.config, "_tmp_path_factory", None)
        if factory is not None:
            factory.getbasetemp()  # whoever makes it removes what is there

    # Wider fixtures.

    def _set_up_wider(self, item):
        """Set up what outlives the test; returns what the child tears down to."""
        tests = self._tests
        if self._in_parent:
            self._fill(item)
        if tests.journal.clock.wide_seconds != self._looked_at:  # here, or before a test that runs here
            self._looked_at = tests.journal.clock.wide_seconds
            if self._minds_fork():
                self._leave_to_children(item)
        return item.parent if tests.setupstate.stack else None

    def _fill(self, item):
        tests = self._tests
        manager = tests.config.pluginmanager.getplugin("capturemanager")
        try:
            if manager is None:
                _fill_wider(tests.setupstate, item)
            else:
                with manager.item_capture("setup", item):
                    _fill_wider(tests.setupstate, item)
        except (pytest.exit.Exception, KeyboardInterrupt):
            raise
        except BaseException:
            pass  # it is remembered, and raised again where the child sets up the test

    def _leave_to_children(self, item):
        """Tear down what a child could not use."""
        if self._in_parent:
            self._tests.sender.event(
                "note", "makespan: a fixture of %s holds threads or sockets, which no fork can use:"
                " isolated tests set up their wider fixtures themselves"
                % item.nodeid.split("::")[0])
        self._in_parent = False
        try:
            self._tests.teardown_exact(None)
        except BaseException:
            pass  # each child sets it up and tears it down again, and says so

    def _minds_fork(self):
        others = [name for name in atfork.other_threads() if name != threads.NAME]  # idle now
        return bool(others) or bool(_sockets() - self._sockets)

    # The child.

    def _fork(self, item, nextitem):
        reading, writing = os.pipe()
        try:
            pid = atfork.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if pid == 0:
            os.close(reading)
            try:
                self._child(item, nextitem, relay.Pipe(writing))
            finally:
                os._exit(70)
        os.close(writing)
        return pid, reading

    def _child(self, item, nextitem, pipe):
        """The whole life of the child. Does not return."""
        tests = self._tests
        orphan.die_with_parent(os.getppid())
        atfork.forget_exit_handlers()
        tests.link.connection = pipe
        tests.link.random_watch.restore_all()
        os.register_at_fork(after_in_child=pipe.close)
        coverage = tests.config.pluginmanager.getplugin("_cov")
        if coverage is not None:
            coverage.pid = os.getpid()
        tests.queue.clear()
        tests.journal.clock.fresh = fresh = []
        tests.setupstate.teardown_exact = lambda until: _tear_down(tests, until, fresh)
        try:
            tests.run_here(item, nextitem)
            tests.journal.flush()
        except BaseException as problem:
            self._tell_raised(problem)
        if coverage is not None and getattr(coverage, "cov_controller", None) is not None:
            coverage.cov_controller.cov.stop()
            coverage.cov_controller.cov.save()
        atfork.run_exit_handlers()
        atfork.flush_streams()
        os._exit(0)

    def _tell_raised(self, problem):
        tests = self._tests
        tests.journal.end_passes()
        code = getattr(problem, "returncode", None)
        code = None if code is None else int(code)  # of an enum, perhaps
        if isinstance(problem, pytest.exit.Exception):
            what = ("exit", str(problem.msg), code)
        elif isinstance(problem, tests.session.Interrupted):
            what = ("interrupted", str(problem), None)
        elif isinstance(problem, KeyboardInterrupt):
            what = ("interrupt", tests.sender.describe_interrupt(problem), None)
        else:
            what = ("internal", events.format_exception(problem), None)
        try:
            data = marshal.dumps((what, tests.journal.account.entries))
        except ValueError:
            data = marshal.dumps((what, []))
        tests.link.connection.send(tests.journal.unsent()
                                   + frames.frame(relay.RAISED, payload=data))

    def _raise(self, data):
        """What ended the session in the child ends it here."""
        (kind, what, code), self._tests.journal.account.entries = marshal.loads(data)
        if kind == "exit":
            raise pytest.exit.Exception(what, code)
        if kind == "interrupted":
            raise self._tests.session.Interrupted(what)
        if kind == "interrupt":
            problem = KeyboardInterrupt()
            problem.makespan_report = what
            raise problem
        raise ChildError("\n" + what)

    # A child that died.

    def _crashed(self, item, told, took):
        tests = self._tests
        when = "teardown" if told.failed_report else "call"
        text = "the process of '%s' died: %s" % (item.nodeid, relay.describe_end(told.status))
        sections = self._last_words(item, when)
        marks = dict.fromkeys(item.keywords, 1)
        report = pytest.TestReport(item.nodeid, item.location, marks, "failed", text, when,
                                   sections, took)
        if when == "call" and _is_expected(item, report):
            report.outcome = "skipped"
        item.ihook.pytest_runtest_logreport(report=report)
        if when == "call":
            item.ihook.pytest_runtest_logreport(report=pytest.TestReport(
                item.nodeid, item.location, marks, "passed", None, "teardown", sections))
        tests.journal.account.fold.crashed = report.outcome == "failed"
        tests.finish()

    def _crashed_late(self, item, told):
        """After its last report: a failed exit handler is none of the test's, a signal is."""
        if not os.WIFSIGNALED(told.status):
            return
        tests = self._tests
        problem = ChildError("the process of '%s' died after the test: %s"
                             % (item.nodeid, relay.describe_end(told.status)))
        call = CallInfo.from_call(lambda: _raise_this(problem), when="teardown")
        tests.late_error(item, call)

    def _last_words(self, item, when):
        tests = self._tests
        sections = list(item._report_sections)
        manager = tests.config.pluginmanager.getplugin("capturemanager")
        running = getattr(manager, "_global_capturing", None)
        for name in ("out", "err"):
            stream = getattr(running, name, None)
            text = stream.snap() if stream is not None else ""
            if text:
                sections.append((when, "std" + name, text))
        named = [("Captured %s %s" % (key, phase), text) for phase, key, text in sections]
        past = tests.journal.past_capture.take()
        if past:
            named.append(("Written past the capture", past))
        return named


def _is_skipped(item):
    """By a mark, which pytest looks at before it sets anything up: nothing runs, so no fork."""
    try:
        if skipping.evaluate_skip_marks(item):
            return True
        expected = skipping.evaluate_xfail_marks(item)
        return bool(expected and not expected.run and not item.config.option.runxfail)
    except (Exception, pytest.fail.Exception):  # a mark that makes no sense: the test says so
        return False


def _is_expected(item, report):
    """An xfail mark covers a crash, as with pytest-forked; one that names exceptions does not."""
    try:
        expected = skipping.evaluate_xfail_marks(item)
    except (Exception, pytest.fail.Exception):
        return False
    if not expected or expected.raises or item.config.option.runxfail:
        return False
    report.wasxfail = "reason: " + expected.reason if expected.reason else ""
    return True


def _fill_wider(setupstate, item):
    """What SetupState.setup(item) would do but for the function level.

    Of other kinds of tests (unittest's, those of plugins) only they know how: the child does it all.
    """
    setupstate.setup(item.parent)
    if type(item) is not pytest.Function:
        return
    info = item._fixtureinfo
    item._initrequest()
    scopes = getattr(getattr(item, "callspec", None), "_arg2scope", {})
    try:
        for name in item.fixturenames:
            found = info.name2fixturedefs.get(name)
            if found and _is_wide(found[-1].scope) and _is_wide(scopes.get(name, found[-1].scope)):
                item._request.getfixturevalue(name)
    finally:
        item._initrequest()  # the test starts as if it had asked for nothing yet


def _is_wide(scope):
    return getattr(scope, "value", scope) != "function"


def _tear_down(tests, until, fresh):
    """In the child: the test's own level, then the wider fixtures that were set up here."""
    problem = None
    try:
        tests.teardown_exact(until)
    except BaseException as raised:
        problem = raised
    while fresh:
        fixturedef, request = fresh.pop()
        try:
            fixturedef.finish(request)
        except BaseException as raised:
            problem = problem or raised
    if problem is not None:
        raise problem


def _sockets():
    """What is open and would be shared: the names of sockets, as /proc has them."""
    found = set()
    try:
        for name in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink("/proc/self/fd/" + name)
            except OSError:
                continue
            if target.startswith("socket:"):
                found.add(target)
    except OSError:
        pass
    return found


def _raise_this(problem):
    raise problem
