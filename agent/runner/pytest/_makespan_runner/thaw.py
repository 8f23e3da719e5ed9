"""gc.freeze() before the fork makes workers faster, and hides from gc.get_objects() and
gc.get_referrers() all that was there before. Whoever asks must see the whole heap.

(hypothesis asks for the referrers of its random generator, and warns when it has none.)

Only the question sees it: what was frozen is frozen again before it is answered, so that the full
collections of such a test neither walk the collected tests nor write to the memory that workers share.
"""

import collections
import functools
import gc

_NAMES = ("get_objects", "get_referrers")


class Thaw:
    def __init__(self):
        self._frozen = self._thawed = False
        self._get_objects = getattr(gc, "get_objects", None)
        for name in _NAMES:
            if hasattr(gc, name):
                setattr(gc, name, self._wrap(getattr(gc, name)))

    def _wrap(self, original):
        by_generation = original is self._get_objects  # it may be asked for the objects of one

        @functools.wraps(original)
        def look(*args, **kwargs):
            if not self._frozen:
                return original(*args, **kwargs)
            tracking = _tracking()
            if tracking is None or kwargs or by_generation and args:
                gc.unfreeze()
                self._frozen, self._thawed = False, True
                return original(*args, **kwargs)
            return self._look_and_freeze(original, args, *tracking)

        return look

    def _look_and_freeze(self, original, args, untrack, track):
        """gc.freeze() takes all there is; so what was made since is taken out of it again."""
        enabled = gc.isenabled()
        gc.disable()  # it must not empty the list of what it is to forget and to know again
        made_since = self._get_objects()
        untrack(made_since)  # nor is our list a referrer of anything
        gc.unfreeze()
        try:
            found = original(*args)
            made_since.append(found)
            return found
        finally:
            gc.freeze()
            for move in untrack, track:
                collections.deque(map(move, made_since), maxlen=0)
            if enabled:
                gc.enable()

    def freeze(self):
        """In the zygote, after gc.collect()."""
        gc.freeze()
        self._frozen = True

    def test_ended(self):
        """What was thawed for a test goes back. (Garbage that is waiting now is never collected: little.)"""
        if self._thawed:
            self.freeze()
            self._thawed = False


@functools.lru_cache(maxsize=None)
def _tracking():
    """(untrack, track): the collector forgets an object; it knows it again, as a young one.

    None where that is not to be had; there the heap stays thawed until the test is over.
    """
    try:
        import ctypes
        import sysconfig

        if sysconfig.get_config_var("Py_GIL_DISABLED"):
            return None  # frozen is a mark on each object there
        api = ctypes.PyDLL(None)
        pair = api.PyObject_GC_UnTrack, api.PyObject_GC_Track
    except (ImportError, AttributeError, OSError):
        return None
    for function in pair:
        function.argtypes, function.restype = [ctypes.py_object], None
    return pair
