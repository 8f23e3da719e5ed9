"""gc.freeze() before the fork makes workers faster, and hides from gc.get_objects() and
gc.get_referrers() all that was there before. Whoever asks must see the whole heap.

(hypothesis asks for the referrers of its random generator, and warns when it has none.)
"""

import functools
import gc

_NAMES = ("get_objects", "get_referrers")


class Thaw:
    """Once a test has asked, the heap stays thawed until that test is over."""

    def __init__(self):
        self._frozen = self._thawed = False
        for name in _NAMES:
            if hasattr(gc, name):
                setattr(gc, name, self._wrap(getattr(gc, name)))

    def _wrap(self, original):
        @functools.wraps(original)
        def look(*args, **kwargs):
            if self._frozen:
                gc.unfreeze()
                self._frozen, self._thawed = False, True
            return original(*args, **kwargs)

        return look

    def freeze(self):
        """In the zygote, after gc.collect()."""
        gc.freeze()
        self._frozen = True

    def test_ended(self):
        """Both ways cost a few pointers. (Garbage that is waiting now is never collected: little.)"""
        if self._thawed:
            self.freeze()
            self._thawed = False
