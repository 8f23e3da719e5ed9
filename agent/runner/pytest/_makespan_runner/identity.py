"""Who asks, before there are workers, which worker this is.

One process configures and collects for all of them, so an answer given there is wrong in all but one.
It shows in two places: variables of the environment, and the keys of workerinput whose values differ.
"""

import os
import sys

_NAME = "PYTEST_XDIST_WORKER"
# A copy of the whole environment (for a child process, mostly) reads the three one after another.
_COPIED = (_NAME, "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID")
# They pass the question on for somebody else.
_PASS_ON = ("os", "collections.abc", "_collections_abc", "xdist", "xdist.plugin", __name__,
            __package__ + ".compat")
# They ask, and get the right answer again in each worker.
_KNOWN = (__package__, "pytest_cov")


class Watch:
    """Notes who reads what, from when it is made to stop()."""

    def __init__(self):
        self._readers = []
        self._last = []  # (key, reader): the beginning of what may be a copy
        self._active = True
        self._encode = getattr(os.environ, "encodekey", None)
        if self._encode is not None:
            os.environ.encodekey = self._encodekey

    def stop(self):
        self._settle()
        self._active = False
        if self._encode is not None and os.environ.encodekey == self._encodekey:
            os.environ.encodekey = self._encode

    def found(self):
        """Texts: "where reads what"; each once."""
        self._settle()
        return list(dict.fromkeys(self._readers))

    def watched(self, workerinput, others):
        """workerinput, noting reads of keys whose values are not the same in all."""
        differing = {key for key, value in workerinput.items()
                     if any(_differs(value, other.get(key)) for other in others)}
        return _Watched(workerinput, differing, self._note)

    def _note(self, key):
        reader = _reader() if self._active else None
        if reader is not None:
            self._readers.append("%s reads workerinput[%r]" % (reader, key))

    def _encodekey(self, key):
        if self._active and key in _COPIED:
            if key != _COPIED[len(self._last)]:
                self._settle()
            if self._last or key == _NAME:
                self._last.append((key, _reader()))
            if len(self._last) == len(_COPIED):
                self._last = []
        return self._encode(key)

    def _settle(self):
        """Reads that did not become those of a copy were a question."""
        if self._last and self._last[0][1] is not None:
            self._readers.append("%s reads %s" % (self._last[0][1], _NAME))
        self._last = []


class _Watched(dict):
    """config.workerinput, which plugins keep and update."""

    def __init__(self, values, differing, note):
        super().__init__(values)
        self._differing = differing
        self._note = note

    def __getitem__(self, key):
        if key in self._differing:
            self._note(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        if key in self._differing:
            self._note(key)
        return super().get(key, default)

    def __reduce__(self):
        return dict, (dict(self),)


def _differs(one, other):
    try:
        return bool(one != other)
    except Exception:
        return True


def _reader():
    """File and line of the code that asks; None if it is not misled by the answer."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if name not in _PASS_ON:
            if name.partition(".")[0] in _KNOWN:
                return None
            return "%s:%d" % (short_path(frame.f_code.co_filename), frame.f_lineno)
        frame = frame.f_back
    return None


def short_path(path):
    """Relative to where we are, if it is below."""
    return os.path.relpath(path) if path.startswith(os.getcwd() + os.sep) else path
