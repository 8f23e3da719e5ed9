"""Fills the free places between small objects in a heap that forks are about to share.

What a worker makes first would go into such places: a page is then copied, in every worker, for one small
object. With no place left, all that a worker makes lies together on pages of its own. Nothing is lost
by it, for the pages with the holes are there anyway; what fills them is never read and never freed.
"""

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
        _kept.append(_fillers(size, _maker_of(size)))


def _maker_of(size):
    """Makes objects that take so much, and mean nothing to the garbage collector."""
    if size == 16:
        return object
    if size == 32:
        return float
    length = size - bytes.__basicsize__
    return lambda: bytes(length)


def _fillers(size, make):
    """Of one size, until all of a pool is ours: had there been places left, they would have come first."""
    capacity = (_POOL_BYTES - _POOL_HEAD_BYTES) // size
    made, counts = [], {}
    for _attempt in range(_FILL_MAX_BYTES // size):
        filler = make()
        pool = id(filler) // _POOL_BYTES
        made.append(filler)
        counts[pool] = counts.get(pool, 0) + 1
        if counts[pool] == capacity:
            return tuple(filler for filler in made if id(filler) // _POOL_BYTES != pool)
    return ()
