"""The reporter's pages, made its own again in one step before the interpreter takes its heap apart.

Until then they are shared with its forks, or were: a page is written to only after a fault, even if
nobody has it any more. At the end nearly all are written to. On some virtual machines a fault takes
10 us, on others a tenth of that, so it is tried what one takes. The kernel does a whole range at once
(MADV_POPULATE_WRITE, Linux 5.14) for half a microsecond a page.
"""

import atexit
import mmap

from . import stopwatch

_DEAR_SECONDS = 4e-6
_TRIES = 16
_POPULATE_WRITE = 23  # <asm-generic/mman-common.h>
_PRESENT = 0x80  # in the last byte of an entry of pagemap
_PAGES_MIN = 64
_PAGES_MAX = 1 << 18  # longer is nothing of Python's


def take_back_at_exit():
    """In a process that has forked."""
    atexit.register(_take_back)  # what is registered first runs last


def _take_back():
    try:
        if not _faults_are_dear():
            return
        import ctypes

        advise = ctypes.CDLL(None).madvise
        for start, pages in _in_use():
            advise(ctypes.c_void_p(start), ctypes.c_size_t(pages * mmap.PAGESIZE), _POPULATE_WRITE)
    except (ImportError, AttributeError, OSError, ValueError):
        pass  # not Linux, or not to be looked at


def _faults_are_dear():
    with mmap.mmap(-1, _TRIES * mmap.PAGESIZE) as fresh:
        taken = []
        for start in range(0, len(fresh), mmap.PAGESIZE):
            began = stopwatch.seconds()
            fresh[start] = 1
            taken.append(stopwatch.seconds() - began)
    return sorted(taken)[_TRIES // 2] > _DEAR_SECONDS


def _in_use():
    """Ranges of private memory of which nearly all is there: (address, pages)."""
    found = []
    with open("/proc/self/maps", "rb") as maps, open("/proc/self/pagemap", "rb", buffering=0) as table:
        for line in maps:
            where, rights = line.split(None, 2)[:2]
            if rights != b"rw-p":
                continue
            start, end = (int(number, 16) for number in where.split(b"-"))
            pages = (end - start) // mmap.PAGESIZE
            if not _PAGES_MIN <= pages <= _PAGES_MAX:
                continue
            table.seek(start // mmap.PAGESIZE * 8)
            present = sum(1 for top in table.read(pages * 8)[7::8] if top & _PRESENT)
            if present * 4 >= pages * 3:
                found.append((start, pages))
    return found
