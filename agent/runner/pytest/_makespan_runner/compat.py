"""What suites written for pytest-xdist expect: its hooks, marker, names, nodes. (options.py: options.)

The plugin itself is kept out (two plugins cannot both own -n), but the module `xdist` stays
importable for those that call xdist.is_xdist_worker().
"""

import os
import sys
import types

import pytest

# "parallel" is pytest-parallel: it would run the tests itself.
BLOCKED = ("xdist", "xdist.plugin", "xdist.looponfail", "parallel", "pytest_parallel")

MARKERS = (
    "forked: run this test in a process of its own, so that it may crash or spoil what it likes.",
    "xdist_group(name): tests of one group run in the same worker, one after another.",
    "makespan(serial, no_speculate, threads, mem, mutex, timeout): how makespan may run this test:"
    " alone (serial='run': in the whole run), never twice at once, with so many threads, with so much"
    " memory ('2GiB'), never beside its mutex, at most so many seconds.",
)


def add_hookspecs(pluginmanager):
    """Where addopts say `-p xdist`, it has been loaded before us, and has declared its hooks."""
    known = getattr(pluginmanager.hook, "pytest_xdist_make_scheduler", None)
    if known is None or not known.has_spec():
        pluginmanager.add_hookspecs(HookSpecs)


def keep_required(pluginmanager):
    """`required_plugins = pytest-xdist` asks for what is installed, and it is, if only kept out."""
    try:
        from importlib import metadata

        from pluggy._manager import DistFacade

        found = DistFacade(metadata.distribution("pytest-xdist"))
        pluginmanager._plugin_distinfo.append((StandIn(), found))
    except (ImportError, AttributeError):  # PackageNotFoundError is an ImportError
        pass


def explain(config):
    """A line for each hook of the suite that is not called."""
    lines = []
    if config.hook.pytest_xdist_make_scheduler.get_hookimpls():
        lines.append("pytest_xdist_make_scheduler is not called: makespan schedules by itself; keep tests"
                     " together by --dist, xdist_group or the mark makespan(mutex=...)")
    lines += ["pytest_runtestloop of %s is not called: makespan runs the tests by itself"
              % implementation.plugin_name
              for implementation in config.hook.pytest_runtestloop.get_hookimpls()
              if not implementation.hookwrapper and not getattr(implementation, "wrapper", False)
              and implementation.plugin_name not in ("main", "makespan_reporter")]
    return lines


class HookSpecs:
    """The hooks of pytest-xdist, so that a conftest that implements one is valid."""

    def pytest_xdist_setupnodes(self, config, specs):
        """Called before any worker is set up."""

    def pytest_xdist_newgateway(self, gateway):
        """Called when a worker has been created."""

    def pytest_xdist_rsyncstart(self, source, gateways):
        """Never called: nothing is copied."""

    def pytest_xdist_rsyncfinish(self, source, gateways):
        """Never called: nothing is copied."""

    @pytest.hookspec(firstresult=True)
    def pytest_xdist_getremotemodule(self):
        """Never called: workers are forks."""

    def pytest_configure_node(self, node):
        """Called in the reporter for each worker; node.workerinput may be added to."""

    def pytest_testnodeready(self, node):
        """A worker is ready."""

    def pytest_testnodedown(self, node, error):
        """A worker has ended; error is None or says why."""

    def pytest_xdist_node_collection_finished(self, node, ids):
        """Called once per worker with the ids collected."""

    @pytest.hookspec(firstresult=True)
    def pytest_xdist_make_scheduler(self, config, log):
        """Never called: the agent decides what runs where."""

    @pytest.hookspec(firstresult=True)
    def pytest_xdist_auto_num_workers(self, config):
        """How many workers -n auto means."""

    @pytest.hookspec(firstresult=True)
    def pytest_handlecrashitem(self, crashitem, report, sched):
        """A test killed its worker; report may be changed."""


class StandIn:
    """Registered as "xdist" where there are workers: many plugins look for that name to decide
    whether they must tell their workers something (a seed, a port)."""

    @staticmethod
    def is_xdist_worker(request_or_session):
        return hasattr(request_or_session.config, "workerinput")

    @staticmethod
    def is_xdist_controller(request_or_session):
        return not hasattr(request_or_session.config, "workerinput")

    is_xdist_master = is_xdist_controller

    @staticmethod
    def get_xdist_worker_id(request_or_session):
        workerinput = getattr(request_or_session.config, "workerinput", None)
        return workerinput["workerid"] if workerinput else "master"


def stand_in_for_xdist(pluginmanager):
    """After the plugins have loaded (and xdist, since its name was blocked, has not)."""
    if not pluginmanager.hasplugin("xdist"):
        pluginmanager._name2plugin.pop("xdist", None)  # pluggy learned to unblock only lately
        pluginmanager.register(StandIn(), "xdist")


class Gateway:
    """Just enough of an execnet gateway for plugins that print a worker's name."""

    def __init__(self, slot):
        self.id = "gw%d" % slot
        self.spec = _Spec(self.id)

    def _rinfo(self):
        """What execnet tells of the other side's Python: the same as ours."""
        return types.SimpleNamespace(
            cwd=os.getcwd(), executable=sys.executable, pid=os.getpid(), platform=sys.platform,
            version_info=tuple(sys.version_info))


class _Spec:
    popen = True
    chdir = None
    python = None

    def __init__(self, name):
        self.id = name

    def __str__(self):
        return "popen"


class Node:
    """A worker as the controller's plugins see it (xdist's WorkerController)."""

    def __init__(self, config, slot, count, run_uid):
        self.config = config
        self.slot = slot
        self.gateway = Gateway(slot)
        self.workerinput = worker_input(slot, count, run_uid)
        self.workeroutput = {}
        self.slaveinput = self.workerinput
        self.shutting_down = False
        self.nodemanager = types.SimpleNamespace(roots=[], config=config)
        self.workerinfo = {
            "id": self.gateway.id,
            "version": sys.version,
            "version_info": tuple(sys.version_info),
            "sysplatform": sys.platform,
            "platform": sys.platform,
            "executable": sys.executable,
            "cwd": os.getcwd(),
            "spec": self.gateway.spec,
        }

    def __repr__(self):
        return "<worker %s>" % self.gateway.id


class Scheduler:
    """The `sched` of pytest_handlecrashitem: crashes are the agent's to judge."""

    def mark_test_pending(self, item):
        raise NotImplementedError("makespan decides itself whether a crashed test runs again")


def worker_input(slot, count, run_uid):
    """config.workerinput as xdist fills it."""
    return {
        "workerid": "gw%d" % slot,
        "workercount": count,
        "testrunuid": run_uid,
        "mainargv": list(sys.argv),
        "rampdelay": 0.0,
    }


def set_environment(workerinput):
    """The variables that tests read to know in which worker they are."""
    os.environ["PYTEST_XDIST_WORKER"] = workerinput["workerid"]
    os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(workerinput["workercount"])
    os.environ["PYTEST_XDIST_TESTRUNUID"] = workerinput["testrunuid"]


def ids_for_hook(config, items):
    """What pytest_xdist_node_collection_finished is told; None where nobody listens."""
    if not config.hook.pytest_xdist_node_collection_finished.get_hookimpls():
        return None
    return [item.nodeid for item in items]


def group_of(item):
    """The names of all xdist_group marks of a test, as newer xdist merges them; "" for none."""
    names = set()
    for mark in item.iter_markers("xdist_group"):
        names.add(str(mark.args[0] if mark.args else mark.kwargs.get("name", "default")))
    return "_".join(sorted(names))
