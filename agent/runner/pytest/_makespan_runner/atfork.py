"""What a process has to forget or renew right after a fork, so that it is like a fresh one."""

import atexit
import logging
import os
import random
import signal
import sys
import threading
import warnings
import weakref


def fork():
    """os.fork(), without the warning of Python 3.12 about threads: preflight has told of them."""
    flush_streams()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def flush_streams():
    """Before a fork: buffered text would otherwise be written by both sides."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


def forget_lookups():
    """Before a fork. Python remembers how it found attributes, and under which names; a process that
    looks for others gives those names up, and so writes to pages all over the heap that it shares.

    (Earlier Pythons would forget about all types as well; later ones do not count who uses a name.)
    """
    if (3, 10) <= sys.version_info < (3, 12):
        sys._clear_type_cache()


def other_threads():
    """Names of the threads that a fork would lose."""
    try:
        count = len(os.listdir("/proc/self/task"))
    except OSError:
        count = threading.active_count()
    if count <= 1:
        return []
    names = [thread.name for thread in threading.enumerate()
             if thread is not threading.main_thread()]
    return names + ["(native)"] * (count - 1 - len(names))


def forget_exit_handlers():
    """Drop what the parent registered for its own end; keep what every process needs.

    Without clearing, a worker would delete the folders of its siblings. A bare atexit._clear() leaves
    weakref.finalize believing that it is registered, and then a test's TemporaryDirectory stays.
    The children of the parent are not ours to end, either.
    """
    for info in list(getattr(weakref.finalize, "_registry", {}).values()):
        info.atexit = False
    atexit._clear()
    atexit.register(weakref.finalize._exitfunc)
    _forget_children()
    atexit.register(logging.shutdown)


def _forget_children():
    """Those of multiprocessing, where it is in use: it takes 5 ms to import."""
    process, util = (sys.modules.get("multiprocessing." + name) for name in ("process", "util"))
    if process is not None:
        process._children = set()
    if util is not None:
        util._finalizer_registry.clear()
        util._run_after_forkers()
        atexit.register(util._exit_function)


def run_exit_handlers():
    """What the interpreter would do at a normal exit."""
    try:
        atexit._run_exitfuncs()
    except Exception:
        pass  # it has been printed already


class RandomWatch:
    """Decides for each generator whether a worker gets fresh entropy or the suite's own seed.

    A fresh process would run the suite's random.seed(0) itself, so a seed set while collecting must
    hold in every worker; where nobody set one, workers must differ from each other.
    """

    def __init__(self):
        self._seeded = False
        self._state = None
        self._original = original = random.seed
        watch = self

        def seed(*args, **kwargs):
            watch._seeded = bool(args and args[0] is not None) or kwargs.get("a") is not None
            return original(*args, **kwargs)

        random.seed = self._patched = seed

    def stop(self):
        """No more watching; what has been remembered stays."""
        if random.seed is self._patched:
            random.seed = self._original

    def remember(self):
        """Before a fork: keep the state that the suite's own seed has led to."""
        self._state = random.getstate() if self._seeded else None

    def restore(self):
        """After a fork, in the child. (Python itself reseeds the random module there.)"""
        if self._state is not None:
            random.setstate(self._state)

    def restore_all(self):
        """In a worker: the generators that Python leaves alone, too."""
        self.restore()
        numpy_random = sys.modules.get("numpy.random")
        if numpy_random is not None and not _numpy_seeded(numpy_random):
            numpy_random.seed()


def _numpy_seeded(numpy_random):
    """True if the global generator still shows the pattern that seed(number) leaves."""
    try:
        name, key = numpy_random.get_state()[:2]
        if name != "MT19937":
            return False
        first, second = int(key[0]), int(key[1])
    except Exception:
        return False
    return second == (1812433253 * (first ^ (first >> 30)) + 1) & 0xFFFFFFFF


def ignore_quit(link):
    """Ctrl-\\ reaches the whole foreground group. To the agent it means: show the stacks, go on."""
    link.old_sigquit = signal.signal(signal.SIGQUIT, signal.SIG_IGN) or signal.SIG_DFL


def leave_terminal(link):
    """Own session, no stdin: a worker that touches the terminal would be stopped by SIGTTOU."""
    try:
        os.setsid()
    except OSError:
        pass  # already a leader
    signal.signal(signal.SIGQUIT, link.old_sigquit)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
