"""The thread pool of OpenBLAS survives a fork: it ends its threads before one and starts them again
when they are needed. (Not where it was built for OpenMP, whose threads do not.)"""

import ctypes
import os

_PTHREADS = 1  # of openblas_get_parallel: 0 sequential, 1 own threads, 2 OpenMP
_AFFIXES = (("", ""), ("", "64_"), ("scipy_", ""), ("scipy_", "64_"))


def pool_threads():
    """How many threads of this process belong to it, at most."""
    return sum(_threads_of(path) for path in _libraries())


def _libraries():
    try:
        with open("/proc/self/maps", errors="replace") as stream:
            paths = {line.split(None, 5)[5].strip() for line in stream if "openblas" in line}
    except (OSError, IndexError):
        return []
    return sorted(path for path in paths if ".so" in os.path.basename(path))


def _threads_of(path):
    try:
        library = ctypes.CDLL(path)
    except OSError:
        return 0
    for before, after in _AFFIXES:
        parallel = getattr(library, before + "openblas_get_parallel" + after, None)
        threads = getattr(library, before + "openblas_get_num_threads" + after, None)
        if parallel is not None and threads is not None:
            return max(0, threads() - 1) if parallel() == _PTHREADS else 0
    return 0
