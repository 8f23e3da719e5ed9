"""Capture of output in forked processes.

A fork shares the temporary files that pytest captures into, offset and all, so each process starts
anew with files of its own, without reading what it inherited. A worker's files have names: when it
dies in a test, the agent finds its last words there.
"""

import functools
import os
import sys
import tempfile

from _pytest.capture import FDCapture

from . import frames


class NamedCapture(FDCapture):
    """pytest's capture of a descriptor, into a named file and at less cost while nothing is written.

    pytest seeks, reads, seeks and truncates after each phase of each test. One lseek tells that the
    file is still empty, which it is after most.
    """

    def __init__(self, taken, path):
        vars(self).update(vars(taken))
        _write_to(self, open(path, "w+b", buffering=0))
        self._fd = self.tmpfile.fileno()
        self._sys_name = "stdout" if self.targetfd == 1 else "stderr"
        self._sys_outside = self.syscapture._old

    def suspend(self):
        if self._state != "started":
            super().suspend()
            return
        setattr(sys, self._sys_name, self._sys_outside)
        os.dup2(self.targetfd_save, self.targetfd)
        self._state = "suspended"

    def resume(self):
        if self._state != "suspended":
            super().resume()
            return
        setattr(sys, self._sys_name, self.tmpfile)
        os.dup2(self._fd, self.targetfd)
        self._state = "started"

    def route(self, router):
        """What threads write goes through router(name, stream), captured or not."""
        name = self._sys_name
        captures = getattr(sys, name) is self.tmpfile
        self.tmpfile = router(name, self.tmpfile)
        self._sys_outside = router(name, self._sys_outside)
        setattr(sys, name, self.tmpfile if captures else self._sys_outside)

    def snap(self):
        size = os.lseek(self._fd, 0, os.SEEK_END)
        if size == 0:
            return ""
        data = _read_all(self._fd, size)
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        return data.decode("utf-8", "replace")


class PastCapture:
    """The file for what a worker writes while nothing captures it."""

    def __init__(self, path):
        low = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.fd = frames.high_fd(low)
        os.close(low)

    def take(self):
        """The text written since the last look. It is taken: a crash shows only what came after."""
        size = os.lseek(self.fd, 0, os.SEEK_END)
        if size == 0:
            return ""
        data = _read_all(self.fd, size)
        os.ftruncate(self.fd, 0)
        return data.decode("utf-8", "replace")

    def skip(self):
        """Forget what was written since the last look."""
        if os.lseek(self.fd, 0, os.SEEK_END):
            os.ftruncate(self.fd, 0)


class _ItemCapture:
    """CaptureManager.item_capture without its layers: six times a test, they add up."""

    def __init__(self, manager, when, item):
        self._manager = manager
        self._when = when
        self._item = item

    def __enter__(self):
        manager = self._manager
        manager.resume_global_capture()
        if manager._capture_fixture:
            manager.activate_fixture()

    def __exit__(self, *raised):
        manager, item = self._manager, self._item
        if manager._capture_fixture:
            manager.deactivate_fixture()
        running = manager._global_capturing
        running.suspend_capturing(in_=False)
        out, err = running.out.snap(), running.err.snap()
        if out:
            item.add_report_section(self._when, "stdout", out)
        if err:
            item.add_report_section(self._when, "stderr", err)


def _read_all(fd, size):
    parts, at = [], 0
    while at < size:
        part = os.pread(fd, size - at, at)
        if not part:
            break
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def use_named_files(config, prefix):
    """In a worker: capture into prefix.out and prefix.err. (Only descriptors can be; not 'sys'.)"""
    manager = config.pluginmanager.getplugin("capturemanager")
    running = getattr(manager, "_global_capturing", None)
    if running is None or type(running.out) is not FDCapture:
        return
    running.out = NamedCapture(running.out, prefix + ".out")
    running.err = NamedCapture(running.err, prefix + ".err")
    if hasattr(manager, "_capture_fixture") and hasattr(manager, "item_capture"):
        manager.item_capture = functools.partial(_ItemCapture, manager)


def restart(config, stdout_fd, stderr_fd):
    """Give this process a capture of its own; what is written outside it goes to the given fds.

    The streams stay the same objects: what was imported before may have kept sys.stdout.
    """
    manager = config.pluginmanager.getplugin("capturemanager")
    running = getattr(manager, "_global_capturing", None)
    for targetfd, name, outside in (1, "out", stdout_fd), (2, "err", stderr_fd):
        one = getattr(running, name, None)
        saved = getattr(one, "targetfd_save", None)
        os.dup2(outside, targetfd)
        if saved is not None:
            os.dup2(outside, saved, inheritable=False)
            _write_to(one, tempfile.TemporaryFile(buffering=0))
        elif one is not None:
            one.snap()  # captured in memory: what was inherited is told by whom it is inherited from


def _write_to(one, file):
    """What a capture of a descriptor writes to from now on, by the same stream object."""
    with file:
        os.dup2(file.fileno(), one.tmpfile.fileno(), inheritable=False)
    if one._state == "started":
        os.dup2(one.tmpfile.fileno(), one.targetfd)


def give_up(config):
    """Capture nothing any more, as with -s. (Fixtures that capture still do.)"""
    manager = config.pluginmanager.getplugin("capturemanager")
    if manager is None or getattr(manager, "_global_capturing", None) is None:
        return
    manager._global_capturing.stop_capturing()
    manager._global_capturing = None
    manager._method = "no"
    manager.start_global_capturing()


def drain(config):
    """Empty the capture before a fork, so that no worker starts with somebody else's output."""
    manager = config.pluginmanager.getplugin("capturemanager")
    if manager is not None and getattr(manager, "_global_capturing", None) is not None:
        manager.read_global_capture()


def own_descriptors(config):
    """The files that pytest captures into, and the descriptors it keeps the real ones in."""
    manager = config.pluginmanager.getplugin("capturemanager")
    running = getattr(manager, "_global_capturing", None)
    found = []
    for one in (getattr(running, name, None) for name in ("in_", "out", "err")):
        found.append(getattr(one, "targetfd_save", None))
        try:
            found.append(one.tmpfile.fileno())
        except (AttributeError, OSError, ValueError):
            continue  # nothing is captured, or not into a file
    return [fd for fd in found if isinstance(fd, int)]


def redirect_faulthandler(config, fd):
    """Stacks of a crash go where the agent looks for the last words of a worker."""
    plugin_module = _faulthandler_module()
    for name in ("fault_handler_stderr_fd_key", "fault_handler_stderr_key"):
        key = getattr(plugin_module, name, None)
        if key is None:
            continue
        target = config.stash.get(key, None)
        if hasattr(target, "fileno"):
            target = target.fileno()
        if target is not None:
            os.dup2(fd, target)


def _faulthandler_module():
    try:
        from _pytest import faulthandler
    except ImportError:
        return None
    return faulthandler
