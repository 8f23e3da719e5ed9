"""Work that pytest does for each test and that a worker can do once, or not at all.

All of it is optional: where a pytest is built differently, it is left alone.
"""

import inspect
import logging
import os
import pathlib
import sys

import _pytest.fixtures
import _pytest.logging
import pytest
from _pytest.nodes import Node
from _pytest.scope import Scope

from . import filters, statements


def before_collection(config, session):
    """After configure, before any test is looked for."""
    _remember_hook_proxies(config, session)
    _remember_paths()
    _find_markers_at_once()
    _leave_order_that_nothing_changes()


def after_collection(config):
    """When all tests are known, before any runs."""
    _drop_idle_hooks(config)
    _add_log_handlers_at_once()
    _know_request_at_once()
    filters.remember()
    statements.remember()
    _know_frames_of_no_module()


def _remember_hook_proxies(config, session):
    """item.ihook works out for each call which conftests apply; for one path, that never changes."""
    original = session.gethookproxy
    names = getattr(config.pluginmanager, "_name2plugin", None)
    if names is None:
        return
    proxies = {}
    known = [len(names)]

    def gethookproxy(fspath):
        if len(names) != known[0]:  # a test has registered a plugin: what we know may be too old
            proxies.clear()
            known[0] = len(names)
        proxy = proxies.get(fspath)
        if proxy is None:
            proxy = proxies[fspath] = original(fspath)
        return proxy

    session.gethookproxy = gethookproxy


def _drop_idle_hooks(config):
    """Hooks of pytest's own that have nothing to do in a worker of this run."""
    manager = config.pluginmanager
    idle = {
        # Nobody sees a worker's terminal: it need not count reports, and keep them all in memory.
        "terminalreporter": ["pytest_runtest_logstart", "pytest_runtest_logreport",
                             "pytest_runtest_logfinish", "pytest_warning_recorded"],
        "lfplugin": ["pytest_runtest_logreport"],  # only the reporter writes the cache
        # Their options run without workers.
        "setupplan": ["pytest_fixture_setup"],
        "setuponly": ["pytest_fixture_setup", "pytest_fixture_post_finalizer"],
    }
    live_logs = getattr(manager.getplugin("logging-plugin"), "log_cli_handler", None)
    if type(live_logs).__name__ == "_LiveLoggingNullHandler":
        idle["logging-plugin"] = ["pytest_runtest_logstart", "pytest_runtest_logreport",
                                  "pytest_runtest_logfinish"]
    if manager.hasplugin("faulthandler") and not float(config.getini("faulthandler_timeout") or 0):
        idle["faulthandler"] = ["pytest_runtest_protocol"]
    for plugin, hooks in idle.items():
        for hook in hooks:
            _drop(config, hook, manager.getplugin(plugin))


def _drop(config, hook, plugin):
    caller = getattr(config.hook, hook, None)
    remove = getattr(caller, "_remove_plugin", None)
    if plugin is None or remove is None:
        return
    try:
        remove(plugin)
    except ValueError:
        return  # it does not implement this one
    # pluggy before 1.1 keeps a list, and a suite that takes the plugin away would not find it there.
    callers = getattr(config.pluginmanager, "_plugin2hookcallers", {}).get(plugin, [])
    if caller in callers:
        callers.remove(caller)


def _find_markers_at_once():
    """item.iter_markers is asked for some marker or other seven times a test, mostly in vain."""
    original = Node.iter_markers
    with_node = getattr(Node, "iter_markers_with_node", None)

    def iter_markers(self, name=None):
        if type(self).iter_markers_with_node is not with_node:
            return original(self, name)
        found = []
        node = self
        while node is not None:
            for mark in node.own_markers:
                if name is None or getattr(mark, "name", None) == name:
                    found.append(mark)
            node = node.parent
        return iter(found)

    if with_node is not None:
        Node.iter_markers = iter_markers


def _add_log_handlers_at_once():
    """pytest hangs two handlers on the root logger for each phase, and takes them off again.

    Logging's own functions for that take a lock three times each, which no list needs. (From 9.1 on
    it looks for loggers that keep records from the root as well, and is left to it.)
    """
    catching = getattr(_pytest.logging, "catching_logs", None)
    if catching is None or type(logging.getLogger()).addHandler is not logging.Logger.addHandler:
        return
    if hasattr(catching, "attached_loggers"):
        return
    enter, leave = catching.__enter__, catching.__exit__

    def enter_at_once(self):
        if self.level is not None:
            return enter(self)
        handlers = logging.root.handlers
        if self.handler not in handlers:
            handlers.append(self.handler)
        return self.handler

    def leave_at_once(self, *raised):
        if self.level is not None:
            leave(self, *raised)
        elif self.handler in logging.root.handlers:
            logging.root.handlers.remove(self.handler)

    catching.__enter__, catching.__exit__ = enter_at_once, leave_at_once


def _know_request_at_once():
    """pytest before 8.2 looks in vain for a fixture of this reserved name, each time one asks for it.

    (Not where it gets a fixture: messages count the frames from there to who has asked.)
    """
    request, nothing = _pytest.fixtures.FixtureRequest, _pytest.fixtures.FixtureLookupError
    original = getattr(request, "_getnextfixturedef", None)
    if original is None or pytest.version_tuple >= (8, 2):
        return

    def _getnextfixturedef(self, argname):
        if argname == "request":
            raise nothing.__new__(nothing)  # to be caught at once
        return original(self, argname)

    request._getnextfixturedef = _getnextfixturedef


def _know_frames_of_no_module():
    """inspect.stack() looks through all of sys.modules for the module of each frame that has none,
    as those of "python -m pytest" at the bottom of every stack. (To pandas' tests, a fifth of their time.)
    """
    known = getattr(inspect, "modulesbyfile", None)
    frame = sys._getframe()
    while frame is not None and type(known) is dict:
        name = frame.f_code.co_filename
        if name.startswith("<") and name not in known and not _is_of_a_module(name):
            known[name] = ""  # the name of a module that is not there
        frame = frame.f_back


def _is_of_a_module(name):
    """Whether one says that this is its file; inspect takes it for a file of the working directory."""
    return any(str(getattr(module, "__file__", None)).endswith(name)
               for module in list(sys.modules.values()) if inspect.ismodule(module))


def _leave_order_that_nothing_changes():
    """pytest brings together tests that share a parameter of a fixture wider than a function; where there
    is none, it finds after four passes and four levels that all may stay where it is."""
    original = getattr(_pytest.fixtures, "reorder_items", None)
    if original is None:
        return

    def reorder_items(items):
        if len(set(map(id, items))) != len(items):
            return original(items)
        for item in items:
            callspec = getattr(item, "callspec", None)
            if callspec is not None:
                scopes = getattr(callspec, "_arg2scope", None)
                if type(scopes) is not dict or any(scope is not Scope.Function for scope in scopes.values()):
                    return original(items)
        return list(items)

    _pytest.fixtures.reorder_items = reorder_items


def _remember_paths():
    """item.location makes the same few names of files into Path objects, once or twice a test, and
    looks whether they are there."""
    import _pytest._code.code
    import _pytest.nodes

    _remember_paths_of_code(_pytest._code.code.Code)

    original = getattr(_pytest.nodes, "absolutepath", None)
    if original is None or getattr(_pytest._code.code, "absolutepath", None) is not original:
        return
    remembered = {}

    def absolutepath(path):
        found = remembered.get(path)
        if found is None:
            found = original(path)
            if os.path.isabs(path):  # any other depends on the working directory
                remembered[path] = found
        return found

    _pytest.nodes.absolutepath = _pytest._code.code.absolutepath = absolutepath


def _remember_paths_of_code(code):
    original = getattr(code, "path", None)
    if not isinstance(original, property):
        return
    remembered = {}

    def path(self):
        name = self.raw.co_filename
        found = remembered.get(name)
        if found is None:
            found = original.fget(self)
            if os.path.isabs(name) and isinstance(found, pathlib.Path):
                remembered[name] = found
        return found

    code.path = property(path)


def others_listen(config, ours):
    """True if plugins that are not pytest's own hear of reports: they may print when they do."""
    for name in ("pytest_runtest_logstart", "pytest_runtest_logreport", "pytest_runtest_logfinish"):
        for implementation in getattr(config.hook, name).get_hookimpls():
            module = getattr(implementation.function, "__module__", None) or ""
            if implementation.plugin is not ours and not module.startswith("_pytest."):
                return True
    return False
