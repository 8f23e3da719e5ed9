"""A worker: how a process becomes one that runs tests, and how it ends.

In between the agent says which tests to run (runner.py). At the end pytest winds up by itself, wrappers,
pytest_sessionfinish and all, so that plugins end as they do in a worker of xdist.
"""

import os

import pytest

from . import atfork, capture, compat, events, frames, limits, live, memory, records


def run(tests, session, become):
    """Become a worker, and run tests until the agent says QUIT. Returns or raises into pytest."""
    try:
        become()
        tests.loop()
    except pytest.exit.Exception as problem:
        status = 2 if problem.returncode is None else int(problem.returncode)
        tests.sender.event("exit", str(problem.msg), problem.returncode)
        tests.stop(frames.STOP_EXIT, status, str(problem.msg))
        raise
    except session.Interrupted as problem:
        tests.sender.event("shouldstop", str(problem))
        tests.stop(frames.STOP_SHOULDSTOP, 2, str(problem))
        raise
    except KeyboardInterrupt as problem:
        if tests.drop_useless():
            return
        tests.sender.interrupt(problem)
        tests.stop(frames.STOP_INTERRUPTED, 2, "KeyboardInterrupt")
        raise
    except BaseException as problem:
        tests.sender.event("internal_error", events.format_exception(problem))
        tests.stop(frames.STOP_INTERNAL, 3, "%s: %s" % (type(problem).__name__, problem))
        raise


def leave(config, tests, outcome):
    """The whole of pytest's session is behind us: say goodbye and go, not back into the caller."""
    try:
        if outcome.excinfo is not None:  # a pytest_sessionfinish or pytest_unconfigure that raised
            problem = outcome.excinfo[1]
            tests.sender.event("internal_error", events.format_exception(problem))
            status = 3
        else:
            status = int(outcome.get_result() or 0)
        config.workeroutput["exitstatus"] = status
        tests.say_bye(status, records.pack(config.workeroutput, tests.sender.odd))
        atfork.run_exit_handlers()
        atfork.flush_streams()
        os._exit(status if 0 <= status <= 255 else 1)
    finally:
        os._exit(3)


def begin(config, link, tests, slot):
    """Files of its own: from here on what it writes outside the capture is its last words."""
    link.role = "worker"
    tests.journal.past_capture = capture.PastCapture(os.path.join(link.folder, "gw%d.log" % slot))
    capture.restart(config, tests.journal.past_capture.fd, tests.journal.past_capture.fd)
    tests.phase = limits.Phase(os.path.join(link.folder, "gw%d.phase" % slot))
    tests.stacks = limits.Stacks(link.settings.get("dump_signal"),
                                 os.path.join(link.folder, "gw%d.stack" % slot))


def take_identity(config, slot):
    """In a fork of the zygote, which had the identity of none: names, folder, random numbers."""
    compat.set_environment(config.workerinput)
    _own_basetemp(config, slot)
    config._makespan.random_watch.restore_all()


def settle_in(config, link, tests, slot):
    """After configure and collection: what a test's output, crash and coverage need."""
    if live.wanted(link.settings, slot):
        live.begin(config, link.folder, slot)
    else:
        capture.use_named_files(config, os.path.join(link.folder, "gw%d" % slot))
    live.refuse_debugger(config)
    capture.redirect_faulthandler(config, tests.journal.past_capture.fd)
    memory.go_first()
    tests.high_water.told = tests.phase.set_memory
    tests.high_water.reset()
    coverage = config.pluginmanager.getplugin("_cov")
    if coverage is not None:
        coverage.pid = os.getpid()  # else it starts coverage anew for every test


def wake(link, tests):
    """From here on this process runs tests."""
    os.register_at_fork(after_in_child=link.connection.close)  # a test's child speaks not for us
    tests.journal.awake = True
    tests.use_threads(link.settings.get("tests_per_worker") or 1)


def _own_basetemp(config, slot):
    """The folder that xdist gives its workers, made when a test first asks for it."""
    factory = getattr(config, "_tmp_path_factory", None)
    given = getattr(factory, "_given_basetemp", None)
    if given is not None:
        factory._given_basetemp = given.parent / ("popen-gw%d" % slot)
        factory._basetemp = None
