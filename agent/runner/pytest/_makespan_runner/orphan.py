"""Forks whose parent is the keeper: it outlives everybody here, and tells the agent how they ended."""

import ctypes
import os
import signal
import struct
import time

from . import atfork

_PID = struct.Struct("<I")
_PR_SET_PDEATHSIG = 1


def fork():
    """Fork a process whose parent will be the keeper; 0 in it, its pid in the caller."""
    reading, writing = os.pipe()
    middle = atfork.fork()
    if middle == 0:
        own_pid = os.getpid()
        child = atfork.fork()
        if child:
            os.write(writing, _PID.pack(child))
            os._exit(0)
        os.close(reading)
        os.close(writing)
        die_with_parent(_wait_for_new_parent(own_pid))
        return 0
    os.close(writing)
    data = os.read(reading, _PID.size)
    os.close(reading)
    os.waitpid(middle, 0)
    return _PID.unpack(data)[0]


def _wait_for_new_parent(old_parent):
    """Until the keeper has become our parent; returns the keeper's pid."""
    while os.getppid() == old_parent:
        time.sleep(0.0002)  # the kernel is between closing its files and handing over its children
    return os.getppid()


def die_with_parent(parent):
    """Be killed when the keeper dies. Set too early, this would kill us at the first hand-over."""
    if _libc is None or os.getppid() != parent:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # it died in between


def _load_libc():
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl  # noqa: B018 - is it there?
        return libc
    except (OSError, AttributeError):
        return None


_libc = _load_libc()
