"""Python's garbage collector, while nearly nothing becomes garbage: it looks less often.

From our handshake to the end of the collection modules are imported and tests are made, and nearly all of it
stays. With Python's own threshold it is walked again and again: a tenth of the time that `import pandas`
takes. What garbage there is goes before the first worker is forked, or when Python looks next.
"""

import gc

_YOUNG_OBJECTS_MAX = 50000
_TIMES_BEFORE_OLDER_ONES = 1000


class Patience:
    """Lasts until over(); a suite that sets a threshold of its own keeps it."""

    def __init__(self):
        self._before = gc.get_threshold()
        self._during = (_YOUNG_OBJECTS_MAX, _TIMES_BEFORE_OLDER_ONES, self._before[2])
        if self._before[0]:  # 0: switched off
            gc.set_threshold(*self._during)

    def over(self):
        if gc.get_threshold() == self._during:
            gc.set_threshold(*self._before)
