"""How much memory a test needs, and who is killed first when there is none left.

ru_maxrss of a running process is the high-water mark of its resident memory; writing 5 to clear_refs
sets the mark back to what is resident now. So one getrusage a test (1 us) tells how far it went above
what the worker held already, and setting the mark back (5 us) is left to tests that did, or that took
long enough not to notice. What is shared with the zygote is in both numbers and in no difference.
"""

import functools
import resource

_WORTH_TELLING_KIB = 1024
_LONG_SECONDS = 0.005
_WORTH_GIVING_BACK_KIB = 4096
# What the kernel adds before it chooses: a worker goes before its agent, its zygote and the desktop.
_FIRST_TO_GO = 300
_NO_MORE_THAN = 1000


class HighWater:
    """Tells after each test how many KiB it needed on top of what was there."""

    def __init__(self):
        self._base_kib = 0
        self._can_reset = True
        self.told = None  # is told the new base

    def reset(self):
        """What is resident now is where the next test begins."""
        if self._can_reset:
            try:
                with open("/proc/self/clear_refs", "wb", buffering=0) as stream:
                    stream.write(b"5")
            except OSError:
                self._can_reset = False  # then only a new record of the worker is seen
        self._base_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if self.told is not None:
            self.told(self._base_kib)

    def of_test(self, seconds):
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self._base_kib
        if grown < _WORTH_TELLING_KIB:
            if seconds > _LONG_SECONDS:
                self.reset()
            return 0
        if grown >= _WORTH_GIVING_BACK_KIB:
            give_back()
        self.reset()
        return grown


def give_back():
    """What tests have freed, the C library keeps, for the next one that needs as much. That one will
    run in another worker as likely as in this. (A few tenths of a millisecond.)"""
    malloc_trim = _malloc_trim()
    if malloc_trim is not None:
        malloc_trim(0)


@functools.lru_cache(maxsize=None)
def _malloc_trim():
    try:
        import ctypes

        return ctypes.CDLL(None).malloc_trim
    except (ImportError, AttributeError, OSError):
        return None  # not glibc, or a Python without ctypes


def go_first():
    """A worker is what can be replaced: let the kernel take it rather than anybody else."""
    try:
        with open("/proc/self/oom_score_adj", "r+") as stream:
            wanted = min(int(stream.read()) + _FIRST_TO_GO, _NO_MORE_THAN)
            stream.seek(0)
            stream.write("%d" % wanted)
    except (OSError, ValueError):
        pass  # not told by this system, or not ours to say
