"""The plugin that `makespan run` names with `-p _makespan`.

Imported by the user's pytest before anything else of theirs. Its first act is to undo what the agent
did to the environment to get here, so that a pytest started by a test is nobody's but the test's.
The work is in the package beside this file.
"""

import contextlib
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


@contextlib.contextmanager
def _importing(is_kept):
    """Modules of a package are found by its __path__, so our folder need not stay on sys.path. What the
    user says of bytecode is about their files; ours is worth keeping where the folder is kept."""
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = not is_kept
    if _FOLDER not in sys.path:
        sys.path.insert(0, _FOLDER)
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
        sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _FOLDER]


_taken = _take_environment()
with _importing(is_kept=os.path.dirname(_taken["socket"] or "") != os.path.dirname(_FOLDER)):
    from _makespan_runner import hooks

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
