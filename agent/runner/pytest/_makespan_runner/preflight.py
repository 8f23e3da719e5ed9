"""What this process holds that a fork would lose or would have to share with others.

Looked at before the forks: what pytest and plugins brought along before our handshake, and what is our
own or pytest's capture, does not count. The agent decides what follows.
"""

import fcntl
import logging
import os
import socket
import stat
import sys
import threading
import time

from . import capture, frames, identity, openblas

_SHOWN = 3
_TEXT_MAX = 300
_LOOKS = 20
_DRIVERS = ("/dev/nvidia", "/dev/kfd", "/dev/dri/")


class Preflight:
    """Watches from the handshake to stop(); facts() may be asked for more than once."""

    def __init__(self):
        self._inherited = {_same(fd) for fd in _descriptors()}
        self.identity = identity.Watch()
        self._start = original = threading.Thread.start

        def start(thread):
            caller = sys._getframe(1)
            thread._makespan_started = "%s:%d" % (
                identity.short_path(caller.f_code.co_filename), caller.f_lineno)
            return original(thread)

        threading.Thread.start = self._patched = start

    def stop(self):
        """No more watching; facts that are known stay."""
        self.identity.stop()
        if threading.Thread.start is self._patched:
            threading.Thread.start = self._start

    def facts(self, config, own=(), workers=2):
        """Kind of fact -> text for people, as far as there is any; own: descriptors of ours."""
        ours = {_same(fd) for fd in own} | {_same(fd) for fd in capture.own_descriptors(config)}
        found = {
            "threads": _threads(),
            "files": _files(self._inherited | ours),
            "modules": _modules(),
            "identity": self.identity.found() if workers > 1 else [],
        }
        return {kind: _some(texts) for kind, texts in found.items() if texts}


def _some(texts):
    shown = ", ".join(texts[:_SHOWN])
    if len(texts) > _SHOWN:
        shown += " and %d more" % (len(texts) - _SHOWN)
    return frames.plain(shown)[:_TEXT_MAX]


# Threads.

def _threads():
    """Those that a fork would lose."""
    here = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    texts = [_describe_thread(thread) for thread in here]
    native = _native_threads(len(here))
    if native > 0:
        texts.append("%d thread%s of a library" % (native, "s" if native != 1 else ""))
    return texts


def _native_threads(known):
    """How many there are that Python does not know. One that was joined may take a moment to end."""
    native = 0
    for _ in range(_LOOKS):
        try:
            native = len(os.listdir("/proc/self/task")) - 1 - known - openblas.pool_threads()
        except OSError:
            return 0
        if native <= 0:
            break
        time.sleep(0.001)
    return native


def _describe_thread(thread):
    started = getattr(thread, "_makespan_started", None)
    return "thread %r%s" % (thread.name, " (started at %s)" % started if started else "")


# Descriptors.

def _descriptors():
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return []


def _same(fd):
    """What is the same for all descriptors of one open thing; None where nothing is open."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    if stat.S_IFMT(status.st_mode) == 0:  # epoll and its kin all share one inode
        return fd, _target(fd)
    return status.st_dev, status.st_ino


def _target(fd):
    try:
        return os.readlink("/proc/self/fd/%d" % fd)
    except OSError:
        return ""


def _files(known):
    """Sockets, event loops and files open for writing; each thing once."""
    texts, seen = [], set(known)
    logs = _log_files()
    for fd in sorted(_descriptors()):
        same = _same(fd)
        if same is None or same in seen:
            continue
        seen.add(same)
        mode = os.fstat(fd).st_mode
        if stat.S_ISSOCK(mode):
            texts.append(_describe_socket(fd))
        elif stat.S_IFMT(mode) == 0 and "eventpoll" in _target(fd):
            texts.append("an event loop (epoll)")
        elif stat.S_ISREG(mode) and _is_written(fd) and fd not in logs:
            texts.append("file %s open for writing" % identity.short_path(_target(fd)))
    return texts


def _is_written(fd):
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def _log_files():
    """Files of logging handlers that append: each record is one whole write, whoever shares them."""
    found = set()
    for reference in logging._handlerList:
        handler = reference() if callable(reference) else reference
        try:
            fd = handler.stream.fileno()
            if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND:
                found.add(fd)
        except (AttributeError, OSError, ValueError):
            continue
    return found


def _describe_socket(fd):
    try:
        with socket.socket(fileno=os.dup(fd)) as ours:
            try:
                name = ours.getpeername()
                word = "to"
            except OSError:
                name, word = ours.getsockname(), "at"
    except OSError:
        return "a socket"
    if isinstance(name, tuple):
        return "a socket %s %s:%s" % ((word,) + name[:2])
    return "a socket %s %s" % (word, os.fsdecode(name)) if name else "a socket"


# Modules.

def _modules():
    """What stays unusable in a fork although it shows neither thread nor socket."""
    texts = []
    if "mpi4py.MPI" in sys.modules:
        texts.append("mpi4py has called MPI_Init")
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if hasattr(cuda, "is_initialized") and cuda.is_initialized():
        texts.append("torch has initialised CUDA")
    drivers = {target for target in map(_target, _descriptors()) if target.startswith(_DRIVERS)}
    if not sys.platform.startswith("linux"):
        texts.append("what %s's own libraries keep" % sys.platform)
    if drivers:
        texts.append("%s is open" % sorted(drivers)[0])
    return texts
