"""A worker: from right after the fork of the zygote to the exit.

In between the agent says which tests to run (runner.py). At the end pytest winds up by itself, wrappers,
pytest_sessionfinish and all, so that plugins end as they do in a worker of xdist.
"""

import os
import signal

import pytest

from . import atfork, capture, compat, events, frames, records


def run(zygote, session, slot):
    """Become a worker, and run tests until the agent says QUIT. Returns or raises into pytest."""
    tests = zygote.tests
    try:
        _become(zygote, tests, slot)
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
        tests.sender.interrupt(problem)
        tests.stop(frames.STOP_INTERRUPTED, 2, "KeyboardInterrupt")
        raise
    except BaseException as problem:
        tests.sender.event("internal_error", events.format_exception(problem))
        tests.stop(frames.STOP_INTERNAL, 3, "%s: %s" % (type(problem).__name__, problem))
        raise


def leave(config, outcome):
    """The whole of pytest's session is behind us: say goodbye and go, not back into the caller."""
    tests = config._makespan_zygote.tests
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


def _become(zygote, tests, slot):
    """From a fork of the zygote to a process like a fresh one."""
    config, link = zygote.config, zygote.link
    link.role = "worker"
    link.connection.close()
    zygote.channel.close()
    zygote.outputs.close()
    atfork.leave_terminal()
    atfork.forget_exit_handlers()
    signal.signal(signal.SIGINT, tests.old_sigint)
    tests.past_capture = capture.PastCapture(os.path.join(link.folder, "gw%d.log" % slot))
    log = tests.past_capture.fd
    capture.restart(config, log, log)
    capture.use_named_files(config, os.path.join(link.folder, "gw%d" % slot))
    capture.redirect_faulthandler(config, log)
    # In place, since plugins may hold on to the dictionary they were given.
    config.workerinput.clear()
    config.workerinput.update(zygote.workerinputs[slot])
    compat.set_environment(config.workerinput)
    _own_basetemp(config, slot)
    link.random_watch.restore_all()
    coverage = config.pluginmanager.getplugin("_cov")
    if coverage is not None:
        coverage.pid = os.getpid()  # else it starts coverage anew for every test
    link.connect(frames.ROLE_WORKER, slot)
    os.register_at_fork(after_in_child=_disarm(link.connection))
    tests.awake = True


def _disarm(connection):
    """A child of a test must neither speak for us nor keep our connection open."""
    def close():
        connection.close()
    return close


def _own_basetemp(config, slot):
    """The folder that xdist gives its workers, made when a test first asks for it."""
    factory = getattr(config, "_tmp_path_factory", None)
    given = getattr(factory, "_given_basetemp", None)
    if given is not None:
        factory._given_basetemp = given.parent / ("popen-gw%d" % slot)
        factory._basetemp = None
