"""Work that pytest does for each test and that a worker can do once, or not at all.

All of it is optional: where a pytest is built differently, it is left alone.
"""

import os


def after_collection(config, session):
    """In the zygote, when all tests are known."""
    _remember_hook_proxies(config, session)
    _detach_terminal(config)
    _remember_absolute_paths()


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


def _detach_terminal(config):
    """Nobody sees a worker's terminal: it need not count reports, and keep them all in memory."""
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is None:
        return
    for name in ("pytest_runtest_logstart", "pytest_runtest_logreport", "pytest_runtest_logfinish",
                 "pytest_warning_recorded"):
        remove = getattr(getattr(config.hook, name, None), "_remove_plugin", None)
        if remove is None:
            continue
        try:
            remove(terminal)
        except ValueError:
            pass  # it does not implement this one


def _remember_absolute_paths():
    """item.location makes the same few names of files into Path objects, once or twice a test."""
    import _pytest._code.code
    import _pytest.nodes

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


def others_listen(config, ours):
    """True if plugins that are not pytest's own hear of reports: they may print when they do."""
    for name in ("pytest_runtest_logstart", "pytest_runtest_logreport", "pytest_runtest_logfinish"):
        for implementation in getattr(config.hook, name).get_hookimpls():
            module = getattr(implementation.function, "__module__", None) or ""
            if implementation.plugin is not ours and not module.startswith("_pytest."):
                return True
    return False
