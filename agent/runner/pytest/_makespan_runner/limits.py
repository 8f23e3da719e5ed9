"""Time limits, as far as Python takes part in them.

The agent watches the time and ends what is over it (agent/core/limit.h). Here is told what limit a test
has, and a worker leaves two things for the moment when it cannot speak any more: in gwN.phase what it
is at, a byte in shared memory, and in gwN.stack its stacks, written by faulthandler when the agent's
signal comes, even while the interpreter is stuck in foreign code.
"""

import faulthandler
import mmap
import os
import signal
import struct

import pytest

from . import frames

MARKER = ("timeout(seconds): the time limit of this test, set-up and teardown included; 0 for none."
          " (makespan's own: pytest-timeout is not installed.)")

# How long after pytest-timeout the agent acts.
_BACKSTOP_SECONDS = 5.0

_SHARED = struct.Struct("<B3xI")
NOTHING, SETUP, CALL, TEARDOWN, WIDER, FINISH = b"-sctwf"


def add_marker(config):
    """pytest-timeout's marker, where that plugin is not there to declare it."""
    if not config.pluginmanager.hasplugin("timeout"):
        config.addinivalue_line("markers", MARKER)


def flag_of(item, wanted):
    """What MANIFEST says of the time limit of a test, or None. wanted: what its marks ask for (marks.py)."""
    plugin = item.config.pluginmanager.getplugin("timeout")
    seconds = None
    if plugin is not None:
        seconds, only_call = _settings_of(plugin, item)
        if seconds and not only_call:
            tries = 1 + _reruns_of(item)  # its timer may be spent in the first one
            return "backstop=%d" % int((seconds * tries + _BACKSTOP_SECONDS) * 1000)
        # Its 0 on a test takes our limit away, too.
        is_off = seconds == 0 and item.get_closest_marker("timeout") is not None
        return "timeout=0" if is_off else None
    mark = item.get_closest_marker("timeout")
    if mark is None:
        seconds = wanted.get("timeout")
    else:
        seconds = mark.args[0] if mark.args else mark.kwargs.get("timeout")
    return None if seconds is None else "timeout=%d" % int(_seconds(item, seconds) * 1000)


def _seconds(item, value):
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds < 1e7:
        raise pytest.UsageError("%s: timeout(%r): seconds are wanted, 0 for no limit"
                                % (item.nodeid, value))
    return seconds


def _settings_of(plugin, item):
    """(seconds or None, whether only the call is limited), as pytest-timeout itself sees it."""
    read = getattr(plugin, "_get_item_settings", None) or getattr(plugin, "get_params", None)
    try:
        settings = read(item)
        return settings[0], bool(settings[2])
    except Exception:
        return None, False  # it says itself what it does not like, when the test runs


def _reruns_of(item):
    """pytest-rerunfailures runs a test again within the same call of its protocol."""
    mark = item.get_closest_marker("flaky")
    wanted = getattr(item.config.option, "reruns", None)
    if mark is not None:
        wanted = mark.kwargs.get("reruns", mark.args[0] if mark.args else 1)
    return wanted if isinstance(wanted, int) and wanted > 0 else 0


class Phase:
    """What this worker is at, and what it held before, for the agent to read when it cannot be asked."""

    def __init__(self, path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, _SHARED.pack(NOTHING, 0))
            self._bytes = mmap.mmap(fd, _SHARED.size)
        finally:
            os.close(fd)

    def set(self, phase):
        self._bytes[0] = phase

    def set_memory(self, kib):
        """Resident when the high-water mark was set back last."""
        self._bytes[4:8] = _SHARED.pack(0, kib)[4:]


class Stacks:
    """Writes the stacks of all threads to a file whenever the agent's signal comes."""

    def __init__(self, signal_number, path):
        self._number = signal_number
        self.child = None  # a process that runs the test in our place: it shows its own, too
        self._fd = None
        if signal_number:
            low = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._fd = frames.high_fd(low)
            os.close(low)
            self._register(False)

    def _register(self, chain):
        faulthandler.register(self._number, file=self._fd, all_threads=True, chain=chain)

    def pass_on(self):
        """From now on the signal is passed on to the child, while there is one."""
        if self._fd is None:
            return
        faulthandler.unregister(self._number)
        signal.signal(self._number, self._tell_child)
        self._register(True)

    def _tell_child(self, number, _frame):
        if self.child is not None:
            os.kill(self.child, number)
