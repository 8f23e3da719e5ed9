"""Conftests below the first level: pytest finds them only while it collects, and the reporter never does.

Those whose hooks show something, or settle the exit code, are loaded there as well, and each hears of
the tests below it.
"""

import contextlib
import inspect
import io
import os
import pathlib
import warnings

# Called in the reporter, after the collection.
_SHOWN = (
    "pytest_runtest_logstart", "pytest_runtest_logreport", "pytest_runtest_logfinish",
    "pytest_report_teststatus", "pytest_warning_recorded", "pytest_keyboard_interrupt", "pytest_internalerror",
    "pytest_sessionfinish", "pytest_terminal_summary", "pytest_unconfigure", "pytest_testnodeready",
    "pytest_testnodedown", "pytest_xdist_node_collection_finished", "pytest_handlecrashitem",
)


# In the process that collects.

def loaded(config):
    """The conftests there are by now."""
    return set(config.pluginmanager._conftest_plugins)


def found_since(config, before):
    """The paths of those that came while collecting and belong in the reporter, in that order."""
    new = loaded(config) - before
    speaking = {implementation.plugin for name in _SHOWN
                for implementation in getattr(config.hook, name).get_hookimpls()
                if implementation.plugin in new}
    return [module.__file__ for _name, module in config.pluginmanager.list_name_plugin()
            if module in speaking]


# In the reporter.

def load(config, paths):
    """Returns a line for each that would not load. What loading prints and warns of has been told."""
    failed = []
    for path in paths:
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), \
                    contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                _load(config, pathlib.Path(path))
        except Exception as problem:
            failed.append("makespan: what the hooks of %s show is missing, since it could not be loaded"
                          " once more: %s: %s" % (path, type(problem).__name__, problem))
    return failed


def _load(config, path):
    manager = config.pluginmanager
    more = {}
    if "consider_namespace_packages" in inspect.signature(manager._importconftest).parameters:
        more["consider_namespace_packages"] = config.getini("consider_namespace_packages")
    manager._importconftest(path, config.getoption("importmode"), config.rootpath, **more)


class Hooks:
    """The hooks that hear of a test: not those of conftests in other folders."""

    def __init__(self, config):
        self._config = config
        self._folders = None  # module of a conftest -> as its tests' paths begin
        self._of_file = {}

    def of(self, nodeid):
        if self._folders is None:
            self._folders = {module: _folders_of(module) for module in loaded(self._config)}
        name = nodeid.partition("::")[0]
        hooks = self._of_file.get(name)
        if hooks is None:
            hooks = self._of_file[name] = self._below(name)
        return hooks

    def _below(self, name):
        path = os.path.join(str(self._config.rootpath), name)
        if not os.path.exists(path):
            return self._config.hook  # of a test outside of rootdir the id does not tell where it is
        ways = [os.path.normpath(path), os.path.realpath(path)]
        elsewhere = {module for module, folders in self._folders.items()
                     if not any(map(str.startswith, ways, folders))}
        return _Subset(self._config.pluginmanager, elsewhere) if elsewhere else self._config.hook


class _Subset:
    """All hooks but those of some plugins, each looked up once."""

    def __init__(self, manager, without):
        self._manager = manager
        self._without = without

    def __getattr__(self, name):
        hook = self._manager.subset_hook_caller(name, self._without)
        self.__dict__[name] = hook
        return hook


def _folders_of(module):
    """As it is written, and as it is behind symbolic links."""
    folder = os.path.dirname(os.path.abspath(module.__file__))
    return [os.path.join(folder, ""), os.path.join(os.path.realpath(folder), "")]
