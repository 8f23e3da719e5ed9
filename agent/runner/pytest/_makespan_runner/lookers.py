"""Tests that ask gc.get_objects() for the whole heap share one worker.

The list that they get holds a reference to every object, so the counts of all of them are written, and
whatever the worker shared with the zygote becomes its own. That is no more than once per worker, but
needs to happen in one of them only.
"""

import types

GROUP = "gc.get_objects"
# A group is run by one worker alone: not worth it where it would be a good part of the run.
_SHARE_MAX = 100
_COUNT_MAX = 32


def of(items):
    """Those of the tests whose code names it, if they are few."""
    seen = {}
    found = {item for item in items if _names_it(_code_of(item), seen)}
    return found if len(found) <= min(_COUNT_MAX, len(items) // _SHARE_MAX) else set()


def _code_of(item):
    function = getattr(item, "obj", None)
    function = getattr(function, "__func__", function)
    return getattr(getattr(function, "__wrapped__", function), "__code__", None)


def _names_it(code, seen):
    """Itself, or a function inside it. (Of a parametrised test once.)"""
    if type(code) is not types.CodeType:
        return False
    if id(code) not in seen:
        seen[id(code)] = "get_objects" in code.co_names or any(
            _names_it(inner, seen) for inner in code.co_consts if type(inner) is types.CodeType)
    return seen[id(code)]
