"""Output while it is written: --live, and pytest's -s with workers.

A worker that is shown captures nothing. Its stdout and stderr are a FIFO, made by the reporter, which
prints whole lines, each behind the worker's name when there are several; what belongs to a test is
printed before the test's result. There is no stdin in a worker: a debugger is refused, by name.
"""

import os
import sys

import pytest

from . import capture

_READ_BYTES = 65536


def choose(settings, option):
    """What is to be shown, once both sides of the command line are known."""
    if not settings.get("live") and getattr(option, "capture", None) == "no":
        settings["live"] = "all"


def wanted(settings, slot):
    return settings.get("live") in ("all", "gw%d" % slot)


def _path(folder, slot):
    return os.path.join(folder, "gw%d.live" % slot)


def begin(config, folder, slot):
    """In the worker: from here on nothing is captured, and all is shown."""
    capture.give_up(config)
    try:
        fd = os.open(_path(folder, slot), os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return  # nobody looks any more
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)


def refuse_debugger(config):
    """In the worker: say at once what a debugger without a terminal would fail at."""
    from _pytest import debugging

    if getattr(config.option, "usepdb_cls", None) or not hasattr(debugging.pytestPDB, "_init_pdb"):
        return  # one that was chosen, perhaps since it needs no terminal

    original = debugging.pytestPDB._init_pdb.__func__

    def refuse(cls, *args, **kwargs):
        __tracebackhide__ = True
        if cls._config is not config:
            return original(cls, *args, **kwargs)  # of a pytest that a test runs in its own process
        pytest.fail("a debugger needs a terminal, and a worker has none. Run this test without"
                    " workers: makespan run -n 0 -- pytest ... (or with --pdb)")

    debugging.pytestPDB._init_pdb = classmethod(refuse)


class Screen:
    """In the reporter: the lines of the workers that are shown."""

    def __init__(self, config, settings, folder):
        self._config = config
        self._settings = settings
        self._folder = folder
        self._slots = {}  # descriptor -> slot
        self._partial = {}  # slot -> bytes of a line that has not ended

    def watch(self, slot):
        """Before the worker of this slot starts."""
        if not wanted(self._settings, slot) or slot in self._partial:
            return
        os.mkfifo(_path(self._folder, slot), 0o600)
        # With a writer of our own there is never an end of it, whoever comes and goes.
        fd = os.open(_path(self._folder, slot), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._slots[fd] = slot
        self._partial[slot] = b""

    def descriptors(self):
        return list(self._slots)

    def show(self, fd):
        """Some of what has come, in whole lines."""
        slot = self._slots[fd]
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return False
        lines = (self._partial[slot] + data).split(b"\n")
        self._partial[slot] = lines.pop()
        self._print(slot, lines)
        return True

    def catch_up(self, slot):
        """A test of this worker is over, or the worker is: all it wrote comes first."""
        for fd, shown in self._slots.items():
            if shown == slot:
                while self.show(fd):
                    pass
        partial = self._partial.get(slot)
        if partial:
            self._partial[slot] = b""
            self._print(slot, [partial])

    def close(self):
        for fd, slot in list(self._slots.items()):
            self.catch_up(slot)
            del self._slots[fd]
            os.close(fd)

    def _print(self, slot, lines):
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        several = self._settings["live"] == "all" and self._settings["workers"] > 1
        prefix = "gw%d| " % slot if several else ""
        if terminal is None or not lines:
            return
        begin_line(terminal)
        for line in lines:
            terminal._tw.line(prefix + line.decode("utf-8", "replace"))
        terminal._tw.flush()


def write_lines(config, text):
    """On lines of its own between those of pytest. False where there is no terminal."""
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is None:
        return False
    begin_line(terminal)
    for line in text.split("\n"):
        terminal.write_line(line)
    return True


def begin_line(terminal):
    """Behind dots, too: pytest's ensure_newline() knows only of lines that begin with the name of a file."""
    if getattr(terminal._tw, "width_of_current_line", 0):
        terminal._tw.line()
        terminal.currentfspath = None
    terminal.ensure_newline()
