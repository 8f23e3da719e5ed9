"""Capture of output in forked processes.

A fork shares the temporary files that pytest captures into, offset and all, so each process starts
anew with files of its own, without reading what it inherited.
"""

import os


def restart(config, stdout_fd=None, stderr_fd=None):
    """Give this process a capture of its own; what is written outside it goes to the given fds."""
    manager = config.pluginmanager.getplugin("capturemanager")
    inherited = getattr(manager, "_global_capturing", None)
    if inherited is not None:
        suspended = not inherited.is_started()
        # Puts the real descriptors back and closes our side of the shared files; reads nothing.
        inherited.stop_capturing()
        manager._global_capturing = None
    if stdout_fd is not None:
        os.dup2(stdout_fd, 1)
    if stderr_fd is not None:
        os.dup2(stderr_fd, 2)
    if inherited is not None:
        manager.start_global_capturing()
        if suspended:
            manager.suspend_global_capture()


def drain(config):
    """Empty the capture before a fork, so that no worker starts with somebody else's output."""
    manager = config.pluginmanager.getplugin("capturemanager")
    if manager is not None and getattr(manager, "_global_capturing", None) is not None:
        manager.read_global_capture()


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
