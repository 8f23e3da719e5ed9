"""The entry: options, the handshake with the agent, and the fork into reporter and forker.

The fork comes before pytest_configure, because that is where plugins decide once and for all whether
they are in a controller or in a worker.
"""

import hashlib
import json
import os
import platform
import re
import socket
import uuid

import pytest

from . import (atfork, benchmark, compat, early, forker, frames, garbage, limits, live, options,
               pages, preflight, reporter, thaw, threadpools)

# Set by _makespan from the environment: where the agent listens, the secret it expects, which worker
# we are if we are one, and what the environment was changed to for us to get here.
agent_address = {"socket": None, "key": None, "input": None, "injected": {}}


class Link:
    """What a pytest process knows about its agent. Kept as config._makespan."""

    def __init__(self, address):
        self.path = address["socket"]
        self.key = address["key"]
        self._injected = address["injected"]
        self.folder = os.path.dirname(self.path)
        self.connection = None
        self.settings = {"workers": 0}
        self.role = "inline"  # or reporter, zygote, worker
        self.random_watch = None
        self.old_sigquit = None
        self.notes = []  # lines for the header
        self.thaw = None
        self.patience = None
        self.preflight = None
        self.told = None  # of a worker that was started afresh: what early.begin needs

    def environment_for(self, path, hash_seed):
        """Our environment as it is now, with what makes a pytest the worker that path tells of."""
        environment = dict(os.environ)
        before = {}
        for name, value in dict(self._injected, PYTHONHASHSEED=hash_seed).items():
            before[name] = environment.get(name)
            environment[name] = value
        environment.update(_MAKESPAN_SOCKET=self.path, _MAKESPAN_KEY=self.key,
                           _MAKESPAN_INPUT=path, _MAKESPAN_RESTORE=json.dumps(before))
        return environment

    def connect(self, role, slot=0, **more):
        """Open this process's own connection and say who we are."""
        connection = frames.Connection(self.path)
        connection.exit_when_gone = role != frames.ROLE_REPORTER
        hello = {"version": frames.VERSION, "key": self.key, "pid": os.getpid()}
        hello.update(more)
        connection.send(frames.frame(frames.HELLO, role, slot, frames.document(hello)))
        self.connection = connection
        return connection


def pytest_addoption(parser, pluginmanager):
    for name in compat.BLOCKED:
        if not pluginmanager.is_blocked(name):
            pluginmanager.set_blocked(name)
    options.add_options(parser)
    compat.keep_required(pluginmanager)


def pytest_addhooks(pluginmanager):
    compat.add_hookspecs(pluginmanager)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config, parser, args):
    """Shake hands first of all: plugins such as pytest-cov look at -n in this very hook."""
    _shake_hands(early_config)
    yield
    options.add_late_options(parser, args)


def _shake_hands(early_config):
    if agent_address["socket"] is None:
        raise pytest.UsageError("the plugin _makespan works only when makespan run starts pytest")
    link = Link(agent_address)
    early_config._makespan = link
    option = early_config.known_args_namespace
    if agent_address["input"] is not None:
        link.told = early.read_input(agent_address["input"])
        link.settings = link.told["settings"]
        _expect_workers(early_config, link)
        return
    distributions = _distributions_digest()
    connection = link.connect(
        frames.ROLE_REPORTER,
        python=platform.python_version(),
        pytest=pytest.__version__,
        numprocesses=options.workers_wanted(option),
        maxprocesses=getattr(option, "maxprocesses", None),
        dist=_dist(option),
        maxfail=getattr(option, "maxfail", 0) or 0,
        tests_per_worker=options.threads_wanted(early_config, option),
        max_worker_restart=_whole_number(getattr(option, "maxworkerrestart", None)),
        inline=_why_inline(option),
        recalls=options.recalls(option),
        rootdir=str(early_config.rootpath),
        distributions=distributions,
    )
    try:
        kind, _flags, workers, _b, payload = connection.receive()
    except EOFError:
        raise pytest.UsageError("makespan: the agent takes no pytest here: one run holds one, and it"
                                " has had its own or is ending") from None
    if kind != frames.CONFIG:
        raise pytest.UsageError("makespan: the agent answered with frame %d" % kind)
    settings = json.loads(payload.decode() or "{}")
    settings["workers"] = workers
    settings["distributions"] = distributions
    settings["run_uid"] = (getattr(option, "testrunuid", None) or settings.get("run_uid")
                           or uuid.uuid4().hex)
    link.settings = settings
    options.refuse(option)
    live.choose(settings, option)
    link.notes = options.explain(option)
    if workers:
        _expect_workers(early_config, link)


def _expect_workers(early_config, link):
    """Before conftests load: they may set a seed, and take functions by name."""
    _set_distributed(early_config.known_args_namespace, link.settings)
    threadpools.share(link.settings.get("threads"))
    link.random_watch = atfork.RandomWatch()
    link.preflight = preflight.Preflight()
    link.thaw = thaw.Thaw()
    link.patience = garbage.Patience()
    compat.stand_in_for_xdist(early_config.pluginmanager)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    link = getattr(config, "_makespan", None)
    if link is not None and link.settings["workers"]:
        benchmark.let_measure(config)
    for line in compat.MARKERS:
        config.addinivalue_line("markers", line)
    limits.add_marker(config)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_cmdline_main(config):
    """Fork: the parent goes on as the reporter, the child forks the processes that collect.

    A wrapper, so that each side runs the rest of the hook just once, and so that the others can be
    stopped here instead of returning into the code that called pytest.
    """
    link = getattr(config, "_makespan", None)
    if link is None or not link.settings["workers"]:
        yield
        return
    _ask_for_number(config, link)
    # The options were parsed again since the handshake.
    _set_distributed(config.option, link.settings)
    if link.told is not None:
        collector = early.begin_afresh(config, link)
        outcome = yield
        collector.end(outcome)  # does not return
    facts = link.preflight.facts(config, [link.connection.fileno()], link.settings["workers"])
    ours, theirs = socket.socketpair()
    atfork.ignore_quit(link)
    link.random_watch.remember()
    if link.settings.get("gc_freeze", True):
        link.thaw.freeze()  # no full collection writes to what both sides share
    atfork.forget_lookups()
    if atfork.fork() == 0:
        ours.close()
        collector = forker.begin(config, link, theirs, facts)  # returns in children of the forker
        outcome = yield
        collector.end(outcome)  # does not return
    theirs.close()
    link.random_watch.stop()
    link.preflight.stop()
    config.pluginmanager.register(reporter.Reporter(config, link, ours), "makespan_reporter")
    pages.take_back_at_exit()
    yield


def pytest_report_header(config):
    link = getattr(config, "_makespan", None)
    if link is None:
        return None
    notes = link.notes + compat.explain(config)
    if link.settings.get("note"):
        notes.append(link.settings["note"])
    return ["makespan: %s" % note for note in notes]


@pytest.fixture(scope="session")
def worker_id(request):
    """The name of this worker, 'gw0' and so on; 'master' where there are no workers."""
    workerinput = getattr(request.config, "workerinput", None)
    return workerinput["workerid"] if workerinput else "master"


@pytest.fixture(scope="session")
def testrun_uid(request):
    """A text that is the same in all workers of this run, and no other run's."""
    workerinput = getattr(request.config, "workerinput", None)
    if workerinput:
        return workerinput["testrunuid"]
    return request.config._makespan.settings["run_uid"]


def _ask_for_number(config, link):
    """Conftests have loaded by now: one of them may know what -n auto means."""
    if link.told is not None or link.settings.get("workers_given"):
        return  # it has been settled; by makespan's own -n
    number = options.auto_number(config)
    if number is not None and number != link.settings["workers"]:
        link.settings["workers"] = number
        link.connection.send(frames.frame(frames.WORKERS, number))


def _why_inline(option):
    """Why this command line cannot use workers, or None."""
    reasons = (
        ("help", "--help"),
        ("version", "--version"),
        ("collectonly", "--collect-only"),
        ("usepdb", "--pdb"),
        ("trace", "--trace"),
        ("showfixtures", "--fixtures"),
        ("show_fixtures_per_test", "--fixtures-per-test"),
        ("markers", "--markers"),
        ("cacheshow", "--cache-show"),
        ("setuponly", "--setup-only"),
        ("setupplan", "--setup-plan"),
        ("setupshow", "--setup-show"),
        ("looponfail", "--looponfail"),
    )
    for name, text in reasons:
        if getattr(option, name, None):
            return text
    if not hasattr(os, "fork"):
        return "this system cannot fork"
    return None


def _dist(option):
    dist = getattr(option, "dist", "no")
    if getattr(option, "distload", False):
        dist = "load"
    return None if dist == "no" else dist


def _whole_number(text):
    try:
        return int(text)
    except (TypeError, ValueError):
        return None


def _set_distributed(option, settings):
    """Make the options say what xdist's would, for plugins that look."""
    option.numprocesses = settings["workers"]
    option.tx = ["popen"] * settings["workers"]
    if _dist(option) is None:
        option.dist = "load"


def _distributions_digest():
    """SHA-256 over what is installed: agents with different packages must not share a run."""
    try:
        from importlib import metadata
    except ImportError:
        return ""
    lines = set()
    for distribution in metadata.distributions():
        try:
            lines.add("%s==%s\n" % _name_and_version(distribution))
        except Exception:
            continue  # a broken installation of something else is not our business
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _name_and_version(distribution):
    """From the name of its folder where that tells: to read all metadata takes 30 ms."""
    folder = os.path.basename(str(getattr(distribution, "_path", "")))
    stem, kind = os.path.splitext(folder)
    name, _dash, version = stem.partition("-")
    if kind in (".dist-info", ".egg-info") and version:
        return re.sub(r"[-_.]+", "-", name).lower(), version
    return distribution.metadata["Name"], distribution.version
