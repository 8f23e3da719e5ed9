"""pytest-benchmark: measures in workers, shows and saves in the reporter.

Beside xdist the plugin switches itself off, since other tests would disturb the measurement. Here a
test that measures runs alone (its `benchmark` fixture makes it serial), so it need not.
"""

import contextlib
import copy
import os
import pickle
import types


def measures(item):
    """Whether the test asks for the plugin's fixture, or for one that does."""
    return "benchmark" in getattr(item, "fixturenames", ())


def let_measure(config):
    """Before the plugin's own pytest_configure, which looks for signs of xdist."""
    plugin = config.pluginmanager.getplugin("benchmark")
    original = getattr(plugin, "BenchmarkSession", None)
    if original is None:
        return

    def make(config):
        with _hidden(config):
            return original(config)

    plugin.BenchmarkSession = make


@contextlib.contextmanager
def _hidden(config):
    dist, config.option.dist = getattr(config.option, "dist", "no"), "no"
    worker = os.environ.pop("PYTEST_XDIST_WORKER", None)
    workerinput = config.__dict__.pop("workerinput", None)
    try:
        yield
    finally:
        config.option.dist = dist
        if worker is not None:
            os.environ["PYTEST_XDIST_WORKER"] = worker
        if workerinput is not None:
            config.workerinput = workerinput


def sender_of(config, sender):
    """What a worker calls after each test, to hand over what that has measured; None without the plugin."""
    session = getattr(config, "_benchmarksession", None)
    if session is None:
        return None
    session.save = session.autosave = session.json = None  # that is the reporter's

    def test_ended():
        if session.benchmarks:
            for measured in session.benchmarks:
                sender.event("benchmark", _pickled(measured))
            session.benchmarks.clear()

    return test_ended


def _pickled(measured):
    """Without what belongs to this process: the fixture, functions, values of parameters."""
    measured = copy.copy(measured)
    measured.fixture = types.SimpleNamespace(has_error=measured.has_error)
    measured.options = {name: getattr(value, "__name__", repr(value)) if callable(value) else value
                        for name, value in measured.options.items()}
    measured.params = _plain(measured.params)
    measured.extra_info = _plain(measured.extra_info)
    if measured.cprofile_stats is not None:
        measured.cprofile_stats = copy.copy(measured.cprofile_stats)
        measured.cprofile_stats.stream = None
    return pickle.dumps(measured)


def _plain(values):
    if not isinstance(values, dict):
        return values
    return {name: value if _travels(value) else repr(value) for name, value in values.items()}


def _travels(value):
    try:
        pickle.dumps(value)
    except Exception:
        return False
    return True


def take(config, data):
    """In the reporter: as if it had been measured here."""
    session = getattr(config, "_benchmarksession", None)
    if session is not None:
        session.benchmarks.append(pickle.loads(data))
