"""What a zygote or a worker told at once (events.py), done in the reporter as it comes."""

import pytest

from . import benchmark, events, live, logs, records, xmlstub


class RemoteInternalError(Exception):
    """Something broke in the zygote or in a worker; the text is the traceback from there."""


class Heard:
    """A plugin of the reporting process; a method an event, named as the event is."""

    def __init__(self, config):
        self.config = config
        self.session = None
        self.collected = None  # what the zygote said of its collection
        self.problem = None  # an exception of the zygote or a worker
        self._interrupted_at = None  # a serialised report that holds the traceback

    def take(self, name, *what):
        getattr(self, "_" + name)(*what)

    def raise_problem(self):
        if self.problem is not None:
            raise self.problem

    def _keep_problem(self, problem):
        """The first one counts: others are often its consequence."""
        if self.problem is None:
            self.problem = problem

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session):
        self.session = session

    # Shown at once.

    def _collected(self, collected):
        self.collected = collected

    def _collect_report(self, data):
        report = records.restore(self.config, data)
        self.config.hook.pytest_collectreport(report=report)

    def _warning(self, described, when, nodeid, location):
        self.config.hook.pytest_warning_recorded.call_historic(kwargs={
            "warning_message": events.restore_warning(described),
            "when": when,
            "nodeid": nodeid,
            "location": location,
        })

    def _log(self, when, record):
        logs.replay(self.config, when, record)

    def _note(self, text):
        live.write_lines(self.config, text)

    def _suite_property(self, name, value):
        xmlstub.replay_property(self.config, name, value)

    def _benchmark(self, data):
        benchmark.take(self.config, data)

    # What ends the session there ends it here.

    def _shouldstop(self, reason):
        if not self.session.shouldfail:
            self.session.shouldstop = reason

    def _failed(self, reason):
        self._keep_problem(self.session.Failed(reason))

    def _usage(self, texts):
        self._keep_problem(pytest.UsageError(*texts))

    def _exit(self, message, returncode):
        self._keep_problem(pytest.exit.Exception(message, returncode))

    def _interrupt(self, data):
        self._interrupted_at = data
        self._keep_problem(KeyboardInterrupt())

    def _interrupted(self, reason):
        self._keep_problem(self.session.Interrupted(reason))

    def _internal_error(self, text):
        self._keep_problem(RemoteInternalError("\n" + text))

    @pytest.hookimpl(trylast=True)
    def pytest_keyboard_interrupt(self):
        """Show where the test was interrupted, not where this process waited for it."""
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        if self._interrupted_at is None or terminal is None:
            return
        report = records.restore(self.config, self._interrupted_at)
        if hasattr(report.longrepr, "reprcrash"):
            terminal._keyboardinterrupt_memo = report.longrepr
