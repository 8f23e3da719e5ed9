"""Fills the free places between small objects in a heap that forks are about to share.

What a worker makes first would go into such places: a page is then copied, in every worker, for one small
object. With no place left, all that a worker makes lies together on pages of its own. Nothing is lost
by it, for the pages with the holes are there anyway; what fills them is never read and never freed.
"""

import collections
import itertools
import sys

# How CPython manages small objects: pools of objects of one size, aligned to their own size.
_POOL_BYTES = 16384 if sys.version_info >= (3, 10) else 4096
_POOL_HEAD_BYTES = 48
_STEP_BYTES = 16
_SMALL_MAX_BYTES = 512
# Where it does otherwise (PYTHONMALLOC, another Python) no pool is ever seen full: enough of one size.
_FILL_MAX_BYTES = 4 * 1024 * 1024

_kept = []


def fill():
    """Before a fork, when nothing that is worth sharing will be made any more."""
    if sys.implementation.name != "cpython":
        return
    for size in range(_STEP_BYTES, _SMALL_MAX_BYTES + 1, _STEP_BYTES):
        fillers = _fillers(size)
        if fillers is None:
            return
        _kept.append(fillers)


def _fillers(size):
    """As many as there were places of one size; None if that cannot be told."""
    capacity = (_POOL_BYTES - _POOL_HEAD_BYTES) // size
    made = []
    for _attempt in range(_FILL_MAX_BYTES // (2 * _POOL_BYTES)):
        some = _objects(size, 2 * capacity + _SMALL_MAX_BYTES // 8)  # a list that is short lies there, too
        fresh = _where_a_pool_begins(some, capacity)
        made += some[:fresh]
        if fresh is not None:
            return made
    return None


def _objects(size, count):
    """That take so much each, and mean nothing to the garbage collector. (Not counted by a range:
    its numbers would take places as well.)"""
    if size == 16:
        return [object() for _ in itertools.repeat(None, count)]
    if size == 32:
        return [float() for _ in itertools.repeat(None, count)]
    length = size - bytes.__basicsize__
    return [bytes(length) for _ in itertools.repeat(None, count)]


def _where_a_pool_begins(made, capacity):
    """The number of the first in a pool that is all of them: had there been places left, they would
    have come first."""
    pools = [id(one) // _POOL_BYTES for one in made]
    for pool, count in collections.Counter(pools).items():
        if count == capacity:
            return pools.index(pool)
    return None
