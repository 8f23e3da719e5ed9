"""The plugin that `makespan run` names with `-p _makespan`.

Imported by the user's pytest before anything else of theirs. Its first act is to undo what the agent
did to the environment to get here, so that a pytest started by a test is nobody's but the test's.
The work is in the package beside this file.
"""

import contextlib
import importlib.util
import json
import os
import sys

_FOLDER = os.path.dirname(os.path.abspath(__file__))


def _take_environment():
    """Read what the agent left for us, and put the environment back as the user had it."""
    taken = {
        "socket": os.environ.pop("_MAKESPAN_SOCKET", None),
        "key": os.environ.pop("_MAKESPAN_KEY", None),
        "input": os.environ.pop("_MAKESPAN_INPUT", None),
    }
    before = json.loads(os.environ.pop("_MAKESPAN_RESTORE", "{}"))
    # A worker that starts afresh needs the same once more.
    taken["injected"] = {name: os.environ[name] for name in before if name in os.environ}
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return taken


def _leave_the_command():
    """The words that name us, before another pytest in this process takes them for its own."""
    for at in range(1, len(sys.argv) - 1):
        if sys.argv[at:at + 2] == ["-p", "_makespan"]:
            del sys.argv[at:at + 2]
            return


def _keep_bytecode():
    """In a folder that outlives the run; even if the user forbids it, for that is about their files, and
    the switch is one for all that is imported."""
    package = os.path.join(_FOLDER, "_makespan_runner")
    for name in os.listdir(package):
        path = os.path.join(package, name)
        if name.endswith(".py") and not os.path.exists(importlib.util.cache_from_source(path)):
            import py_compile

            with contextlib.suppress(OSError):
                py_compile.compile(path)


_taken = _take_environment()
_leave_the_command()
if os.path.dirname(_taken["socket"] or "") != os.path.dirname(_FOLDER):  # not the run's own folder
    _keep_bytecode()
if _FOLDER not in sys.path:
    sys.path.insert(0, _FOLDER)
try:
    # Modules of a package are found by its __path__, so the folder need not stay on sys.path.
    from _makespan_runner import hooks
except ImportError as problem:  # pytest's inner names change from version to version
    import pytest

    raise pytest.UsageError("this makespan does not fit pytest %s: %s; a later one may"
                            % (pytest.__version__, problem)) from problem
finally:
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _FOLDER]

hooks.agent_address = _taken

# pytest looks for hooks and fixtures among this module's names.
pytest_addoption = hooks.pytest_addoption
pytest_addhooks = hooks.pytest_addhooks
pytest_load_initial_conftests = hooks.pytest_load_initial_conftests
pytest_configure = hooks.pytest_configure
pytest_cmdline_main = hooks.pytest_cmdline_main
pytest_report_header = hooks.pytest_report_header
worker_id = hooks.worker_id
testrun_uid = hooks.testrun_uid
