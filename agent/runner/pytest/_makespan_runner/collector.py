"""What a process does while it collects, whether it then forks workers or is one itself.

It has configured in the role of a worker. One process of a run tells what it finds: its warnings, reports
and lines are the reporter's to show. The others collect in silence, and are checked against it.
"""

import gc
import os

import pytest

from . import (atfork, caches, capture, compat, conftests, events, frames, logs, lookers, manifest, runner, sharded,
               shortcuts, tracebacks, voice)


class Collector:
    """The plugin. Its hooks fall silent as soon as the collection is over."""

    def __init__(self, config, link, tells, outputs):
        self.config = config
        self.link = link
        self.tells = tells
        self.outputs = outputs
        self.sender = events.Sender(config, link)
        self.tests = None
        self.session = None
        self.exitstatus = None
        self.collecting = False
        self.deselected = 0
        self.shard = None
        self._known_conftests = set()  # before the collection
        self.items = []  # all tests of this collection, those that are known without it too

    def register(self):
        """The workers' plugin comes with it, for what is registered later is told everything again."""
        config = self.config
        config._makespan_collector = self
        self.tests = runner.Tests(config, self.link, self.sender)
        config.pluginmanager.register(self, "makespan_collector")
        config.pluginmanager.register(self.tests.journal, "makespan_journal")
        self.shard = sharded.plan_of(config, self.link)
        if self.shard is not None:
            config.pluginmanager.register(self.shard, "makespan_sharded")

    # Hooks before and while collecting.

    def pytest_plugin_registered(self, plugin, manager):
        if manager.get_name(plugin) == "terminalreporter":
            voice.silence(plugin)
        elif manager.get_name(plugin) == "logging-plugin":
            logs.forward_from(self.config, plugin, self.tests.journal.log_record)

    def pytest_internalerror(self, excrepr):
        if self.tests.journal.awake:
            return
        self.exitstatus = 3
        self.problem = str(excrepr)
        if self.tells:
            self.sender.event("internal_error", self.problem)

    problem = None  # of an internal error, as text

    def pytest_sessionstart(self, session):
        self.session = session

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection(self, session):
        self.collecting = True
        voice.forget_lines(self.config.pluginmanager.getplugin("terminalreporter"))
        if self.tells:
            self.sender.start()
            capture.restart(self.config, self.outputs.stdout, self.outputs.stderr)
        shortcuts.before_collection(self.config, session)
        tracebacks.leave_ours_out()
        self._known_conftests = conftests.loaded(self.config)
        outcome = yield
        self.collecting = False
        if outcome.excinfo is not None:
            self._collection_raised(outcome.excinfo[1])
        self._take_items(session)
        failed = session.testsfailed and not self.config.option.continue_on_collection_errors
        self._tell_collected(session, not failed)

    def _take_items(self, session):
        self.items = session.items
        if self.shard is not None:
            self.items = self.shard.whole(session.items)
            session.testscollected = len(self.items)
            if self.tells:
                self.sender.event("note", self.shard.note())

    def _collection_raised(self, problem):
        """UsageError, pytest.exit, -x, Ctrl-C: the reporter raises the same, we are done."""
        status, event = self._describe(problem)
        if self.tells:
            if event is None:
                self.sender.interrupt(problem)
            else:
                self.sender.event(*event)
        self._tell_collected(self.session, False)
        self.refuse(status, "%s: %s" % (type(problem).__name__, problem))

    def _describe(self, problem):
        """(exit status, event) of what was raised while collecting."""
        if isinstance(problem, pytest.UsageError):
            return 4, ("usage", [str(arg) for arg in problem.args])
        if isinstance(problem, pytest.exit.Exception):
            status = 2 if problem.returncode is None else int(problem.returncode)
            return status, ("exit", str(problem.msg), problem.returncode)
        if type(problem) is KeyboardInterrupt:
            return 2, None
        if isinstance(problem, KeyboardInterrupt):  # Session.Interrupted
            return 2, ("interrupted", str(problem))
        if type(problem).__name__ == "Failed":
            return 1, ("failed", str(problem))
        return 3, ("internal_error", events.format_exception(problem))

    def pytest_deselected(self, items):
        self.deselected += len(items)

    def pytest_collectreport(self, report):
        if self.collecting and self.tells:
            self.sender.collect_report(report)

    def _tell_collected(self, session, runs):
        """The figures and lines of "collected N items"."""
        if not self.tells:
            return
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        self.sender.event("collected", {
            "runs": runs,
            "found": self._found(terminal, session),
            "deselected": self.deselected,
            "selected": session.testscollected,
            "lines": voice.take_lines(terminal),
            "caches": caches.learned(self.config),
            "conftests": conftests.found_since(self.config, self._known_conftests),
            "ids": compat.ids_for_hook(self.config, session.items if runs else []),
        })

    def _found(self, terminal, session):
        """Of which some may be deselected."""
        if self.shard is not None:
            return session.testscollected + self.deselected
        return getattr(terminal, "_numcollected", session.testscollected)

    # After collecting.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        option = self.config.option
        if session.testsfailed and not option.continue_on_collection_errors:
            self.refuse(2, "%d error%s during collection"
                        % (session.testsfailed, "s" if session.testsfailed != 1 else ""))
        self.tests.take(session, self.items)
        if self.shard is not None:
            self.tests.know_late(self.shard.stand_in)
        try:
            # Of a shard, each machine sees the code of other tests, and all must say the same.
            together = lookers.of(self.items) if self.shard is None else set()
            manifest.send(self.link.connection, self.items, together)
        except pytest.UsageError as problem:  # a mark that makes no sense
            self.sender.event("usage", [str(arg) for arg in problem.args])
            self.refuse(4, str(problem))
        self.go_on(session)
        return True

    def go_on(self, session):
        """All is collected and told. Returns, or raises into pytest, only in a worker."""
        raise NotImplementedError

    def say_collected(self, **more):
        """COLLECT_END: tests may run."""
        self._send_end(0, 1, dict(more, reason=""))

    def refuse(self, status, reason):
        """No test may run: say so, and end."""
        try:
            self._send_end(status, 0, {"reason": self.problem or reason})
        finally:
            atfork.flush_streams()
            os._exit(0)

    def _send_end(self, status, runs, more):
        self.link.connection.send(frames.frame(frames.COLLECT_END, status, runs, frames.document(more)))

    def refuse_after(self, outcome):
        """pytest's session is over, and never came to the end of collecting."""
        if self.collecting and outcome.excinfo is not None:  # by a wrapper of pytest's own, inside ours
            self._collection_raised(outcome.excinfo[1])
        text = "the session ended before the collection"
        if outcome.excinfo is not None:
            text = "%s: %s" % (outcome.excinfo[0].__name__, outcome.excinfo[1])
        self.refuse(int(self.exitstatus or 3), text)

    def freeze(self):
        """Full collections need not walk the collected tests again, test after test."""
        if self.link.settings.get("gc_freeze", True):
            gc.collect()
            self.link.thaw.freeze()
        self.link.patience.over()


class Outputs:
    """The real stdout and stderr, and somewhere to write what must not be seen twice."""

    def __init__(self):
        self.null = os.open(os.devnull, os.O_WRONLY)
        self.stdout = os.dup(1)
        self.stderr = os.dup(2)

    def descriptors(self):
        return [self.null, self.stdout, self.stderr]

    def close(self):
        os.close(self.null)
        os.close(self.stdout)
        os.close(self.stderr)


def play_worker(config, workerinput, basetemp, name):
    """Before configure: the options and names that make plugins take the role of a worker."""
    config.workerinput = workerinput
    config.workeroutput = {}
    compat.set_environment(workerinput)
    option = config.option
    option.dist = "no"
    option.distload = False
    option.numprocesses = None
    option.maxprocesses = None
    option.tx = []
    option.usepdb = False
    option.loadgroup = False
    if basetemp:
        option.basetemp = os.path.join(basetemp, "popen-" + name)
    if logs.wants_file(config):
        option.log_file = os.devnull  # the reporter's file: it writes the records we forward
