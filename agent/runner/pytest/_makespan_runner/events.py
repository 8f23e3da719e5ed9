"""What a zygote or worker tells the reporter at once, beside the reports of a test.

An event is a tuple: its name, then what belongs to it. The agent forwards it unread.
"""

import marshal
import traceback

import pytest

from . import frames, records


class Sender:
    """Sends events over the process's own connection, whichever that is by now."""

    def __init__(self, config, link):
        self.config = config
        self.link = link
        self.enabled = False
        self._odd_types = set()

    def start(self):
        """From now on events are ours to tell; what came before, the reporter has seen itself."""
        self.enabled = True

    def event(self, name, *what):
        data = records.pack((name,) + what, self.odd)
        self.link.connection.send(frames.frame(frames.EVENT, 0, 0, data))

    def odd(self, type_name):
        """A plugin put something in a report that cannot travel; say so once a type."""
        if type_name in self._odd_types:
            return
        self._odd_types.add(type_name)
        self.event("note", "makespan: a value of type %s in a report was replaced by its repr"
                   % type_name)

    def collect_report(self, report):
        """Reports of collectors that did not simply pass. (All others say nothing to anybody.)"""
        if report.outcome == "passed":
            return
        data = records.serialize(self.config, report)
        if data is not None:
            self.event("collect_report", data)
        if report.outcome == "skipped":  # a run's merged report shows it as pytest's JUnit XML does
            texts = (report.nodeid, str(report.longrepr))
            self.link.connection.send(frames.frame(
                frames.SKIP, 0, 0,
                b"".join(t.replace("\0", "\\0").encode("utf-8", "backslashreplace") + b"\0"
                         for t in texts)))

    def interrupt(self, problem):
        """KeyboardInterrupt: its traceback travels as if it were a test's."""
        described = getattr(problem, "makespan_report", None)  # of the child of an isolated test
        self.event("interrupt", described or self.describe_interrupt(problem))

    def describe_interrupt(self, problem):
        info = pytest.ExceptionInfo.from_exc_info(
            (type(problem), problem, problem.__traceback__))
        report = pytest.TestReport("", ("", None, ""), {}, "failed", info.getrepr(funcargs=True),
                                   "call")
        return self.config.hook.pytest_report_to_serializable(config=self.config, report=report)

    def warning(self, warning_message, when, nodeid, location):
        if self.enabled:
            self.event("warning", describe_warning(warning_message), when, nodeid, location)


def describe_warning(warning_message):
    """A warnings.WarningMessage as plain data."""
    message = warning_message.message
    category = warning_message.category
    is_warning = isinstance(message, Warning)
    described = {
        "text": str(message),
        "args": None,
        "class": _name(type(message)) if is_warning else None,
        "category": _name(category) if category is not None else None,
        "filename": warning_message.filename,
        "lineno": warning_message.lineno,
        "line": warning_message.line,
    }
    if is_warning:
        try:
            marshal.dumps(message.args)
            described["args"] = message.args
        except ValueError:
            pass
    return described


def _name(cls):
    return (cls.__module__, cls.__qualname__)


def restore_warning(described):
    """The WarningMessage again; a class that this process cannot find becomes UserWarning."""
    import warnings

    category = _find(described["category"]) or UserWarning
    message = described["text"]
    cls = _find(described["class"])
    if cls is not None and described["args"] is not None:
        try:
            message = cls(*described["args"])
        except Exception:
            message = described["text"]
    if not isinstance(message, Warning) and described["class"] is not None:
        message = _Foreign(described["text"])
    return warnings.WarningMessage(message, category, described["filename"], described["lineno"],
                                   line=described["line"])


class _Foreign(UserWarning):
    """Stands for a warning whose class only the worker knows."""


def _find(name):
    """A warning class by module and name, if that module is loaded or loads."""
    if name is None:
        return None
    import importlib

    try:
        found = importlib.import_module(name[0])
        for part in name[1].split("."):
            found = getattr(found, part)
    except Exception:
        return None
    return found if isinstance(found, type) and issubclass(found, Warning) else None


def format_exception(problem):
    return "".join(traceback.format_exception(type(problem), problem, problem.__traceback__))
