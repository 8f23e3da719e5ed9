"""Our frames in a traceback: pytest leaves its own out of what it shows, and we stand between them.

A fixture that pytest itself finds fault with has no other frames, and then all of pytest's are shown;
with ours among the rest, ours alone would be. The same holds for a pytest that a test runs in its own
process, so it is the class that is changed.
"""

import os

from _pytest._code import code
from _pytest.nodes import Node

# pytest 9.1 gave it another name.
_Formatter = getattr(code, "ExceptionInfoFormatter", None) or getattr(code, "FormattedExcinfo", None)
_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


def _is_theirs(entry):
    return not entry.frame.code.raw.co_filename.startswith(_FOLDER)


def _theirs(traceback):
    """Without our frames; the whole where there are no others."""
    return traceback.filter(_is_theirs) or traceback


def leave_ours_out():
    """Before any is shown, and of exceptions that led to others, too. (--tb=native shows what Python has.)"""
    _wrap(Node, "_repr_failure_py")
    _wrap(_Formatter, "repr_traceback")
    _wrap_filter()


def _wrap(owner, name):
    original = getattr(owner, name, None)
    if original is None:
        return

    def wrapped(self, excinfo, *args, **kwargs):
        excinfo.traceback = _theirs(excinfo.traceback)
        return original(self, excinfo, *args, **kwargs)

    setattr(owner, name, wrapped)


def _wrap_filter():
    """From 7.4 on pytest cuts as the last thing that it does, and takes the rest from Python's again."""
    original = getattr(_Formatter, "repr_excinfo", None)
    if original is None:
        return

    def repr_excinfo(self, excinfo):
        cut = self.tbfilter
        if callable(cut):
            self.tbfilter = lambda of: _theirs(cut(of))
        return original(self, excinfo)

    _Formatter.repr_excinfo = repr_excinfo
