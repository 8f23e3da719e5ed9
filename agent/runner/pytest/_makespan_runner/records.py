"""What a test did: the entries that the reporter replays, and the facts that the agent reads.

A block is a list of entries, each a tuple whose first member says what it is:

    ("P", nodeid, location, keywords, phases)  plain passes; phases: (when, duration, start, stop)
    ("R", data)                                any other report, as pytest serialises it
    ("L", when, record)                        a log record for live logging or the log file
    ("A", nodeid, name, value)                 record_xml_attribute
    ("T", text)                                text a test wrote past the capture, for the terminal
"""

import marshal
import os
import re
import struct

import pytest
from _pytest.reports import CollectErrorRepr

from . import frames

_TEXT_MAX = 256 * 1024
_DURATIONS = struct.Struct("<QQQ")
_MEMORY = struct.Struct("<Q")

# A report with just these and nothing in the optional ones is a plain pass.
_PLAIN = {"nodeid", "location", "keywords", "outcome", "longrepr", "when", "user_properties",
          "sections", "duration"}
_PLAIN_START = _PLAIN | {"start", "stop"}


def is_plain_pass(report):
    """True if the reporter can rebuild this report from names and times alone."""
    if type(report) is not pytest.TestReport:
        return False
    fields = report.__dict__
    return (
        fields["outcome"] == "passed"
        and not fields["sections"]
        and not fields["user_properties"]
        and fields["longrepr"] is None
        and (fields.keys() == _PLAIN_START or fields.keys() == _PLAIN)
    )


def pack(entries, on_odd):
    """Entries as marshal data. on_odd(type name) is told of what had to become its repr."""
    try:
        return marshal.dumps(entries)
    except ValueError:
        return marshal.dumps(_plain(entries, on_odd, 0))


_FLAT = "_makespan_flat"


def serialize(config, report):
    """A report as pytest serialises it; None if nobody knows how.

    pytest makes plain text of a longrepr that has no traceback (a collection error, a fixture that
    does not exist), and then prints it in other places than before. So its kind is kept.
    """
    data = config.hook.pytest_report_to_serializable(config=config, report=report)
    longrepr = getattr(report, "longrepr", None)
    if data is not None and isinstance(data.get("longrepr"), str) and not isinstance(longrepr, str):
        data[_FLAT] = True
    return data


def restore(config, data):
    """The report again."""
    flat = data.pop(_FLAT, False)
    report = config.hook.pytest_report_from_serializable(config=config, data=data)
    if flat:
        report.longrepr = CollectErrorRepr(report.longrepr)
    return report


def unpack(data):
    return marshal.loads(data)


def _plain(value, on_odd, depth):
    """The same value in types that marshal knows."""
    if value is None or value is Ellipsis or type(value) in (bool, int, float, str, bytes, complex):
        return value
    for base in (bool, int, float, str, bytes):
        if isinstance(value, base):
            return base(value) if base is not str else str.__str__(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if depth < 100:
        if isinstance(value, dict):
            return {_plain(key, on_odd, depth + 1): _plain(item, on_odd, depth + 1)
                    for key, item in value.items()}
        for base in (list, tuple):
            if isinstance(value, base):
                return base(_plain(item, on_odd, depth + 1) for item in value)
        if isinstance(value, (set, frozenset)):
            return [_plain(item, on_odd, depth + 1) for item in value]
    on_odd(type(value).__name__)
    return repr(value)


class Fold:
    """Folds the reports of one test into its outcome and its detail."""

    def __init__(self, nodeid):
        self.nodeid = nodeid
        self.seconds = {"setup": 0.0, "call": 0.0, "teardown": 0.0}
        self.outcome = None
        self.reruns = 0
        self.detail = None
        self.also = None  # detail of a teardown that failed after a failed call
        self.memory_kib = 0  # that it needed on top of what the worker held
        self.shown = None  # the last report that carried sections or properties
        self.crashed = False  # it killed the process that ran it alone

    def add(self, report, wide_seconds):
        """Count one report; wide_seconds of it belong to fixtures that outlive the test."""
        when = report.when
        if when in self.seconds:
            self.seconds[when] += max(0.0, getattr(report, "duration", 0.0) - wide_seconds)
        if getattr(report, "sections", None) or getattr(report, "user_properties", None):
            self.shown = report
        if report.outcome == "rerun":
            self.reruns += 1
            self.outcome = self.detail = None
            return
        outcome = _outcome_of(report)
        if outcome != "passed" and _RANK[outcome] > _RANK[self.outcome]:
            self.outcome = outcome
            self.detail = _detail_of(report, outcome)
        elif outcome == "error" and self.outcome == "failed":
            self.also = _detail_of(report, outcome)
        elif self.outcome is None and when == "call":
            self.outcome = "passed"

    def done_frame(self, index):
        """The DONE frame."""
        outcome = "crashed" if self.crashed else self.outcome or "passed"
        seconds = self.seconds
        payload = _DURATIONS.pack(int(seconds["setup"] * 1e6), int(seconds["call"] * 1e6),
                                  int(seconds["teardown"] * 1e6))
        flags = 0
        if self.memory_kib:
            payload += _MEMORY.pack(self.memory_kib)
            flags = frames.FLAG_MEMORY
        if outcome != "passed" or self.shown is not None or self.reruns:
            payload += self.detail_bytes()
            flags |= frames.FLAG_DETAIL
        return frames.frame(frames.DONE, index, frames.OUTCOME[outcome], payload, flags)

    def also_frame(self, index):
        """pytest's JUnit XML shows such a test twice; the error follows as a LATE frame."""
        self.detail = self.also
        return frames.frame(frames.LATE, index, frames.OUTCOME["error"], self.detail_bytes())

    def detail_bytes(self):
        detail = dict(self.detail or {})
        if self.reruns:
            detail["reruns"] = self.reruns
        if self.shown is not None:
            for member, text in (("stdout", "capstdout"), ("stderr", "capstderr"),
                                 ("log", "caplog")):
                content = getattr(self.shown, text, "")
                if content:
                    detail[member] = cut(content)
            if self.shown.user_properties:
                detail["properties"] = [[cut(str(name)), cut(str(value))]
                                        for name, value in self.shown.user_properties]
        detail["classname"], detail["name"] = junit_names(self.nodeid)
        return frames.document(detail)


_RANK = {None: -1, "passed": 0, "skipped": 1, "xfailed": 1, "xpassed": 1, "error": 2, "failed": 3}


def _outcome_of(report):
    if hasattr(report, "wasxfail"):
        if report.outcome == "skipped":
            return "xfailed"
        if report.outcome == "passed":
            return "xpassed" if report.when == "call" else "passed"
    if report.outcome == "failed":
        return "failed" if report.when == "call" else "error"
    return "skipped" if report.outcome == "skipped" else "passed"


def _detail_of(report, outcome):
    """What pytest's JUnit XML would say about this report."""
    longrepr = report.longrepr
    if outcome in ("xfailed", "xpassed"):
        reason = report.wasxfail
        message = reason[len("reason: "):] if reason.startswith("reason: ") else reason
        text = ""
    elif outcome == "skipped" and isinstance(longrepr, tuple) and len(longrepr) == 3:
        path, line, message = longrepr
        if message.startswith("Skipped: "):
            message = message[len("Skipped: "):]
        text = "%s:%s: %s" % (path, line, message)
    else:
        text = str(longrepr)
        crash = getattr(longrepr, "reprcrash", None)
        message = str(crash.message) if crash is not None else text
        if report.when != "call":
            message = 'failed on %s with "%s"' % (report.when, message)
    return {"when": report.when, "message": cut(message), "text": cut(text)}


def cut(text):
    """At most 256 KiB; a longer text loses its middle, and says so."""
    if len(text) <= _TEXT_MAX // 4:
        return text  # however it is encoded
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= _TEXT_MAX:
        return text
    keep = _TEXT_MAX // 2 - 50
    mark = "\n... [%d bytes cut by makespan] ...\n" % (len(data) - 2 * keep)
    return data[:keep].decode("utf-8", "ignore") + mark + data[-keep:].decode("utf-8", "ignore")


def junit_names(nodeid):
    """classname and name as pytest's JUnit XML has them."""
    address, bracket, params = nodeid.partition("[")
    names = address.split("::")
    names[0] = re.sub(r"\.py$", "", names[0].replace("/", "."))
    names[-1] += bracket + params
    return ".".join(names[:-1]), names[-1]
