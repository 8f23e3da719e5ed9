"""Thread pools of libraries that survive a fork by themselves: they end their threads before it and
start them again when they are needed. That is OpenBLAS with threads of its own (not with OpenMP's)."""

import ctypes
import os

_PTHREADS = 1  # of openblas_get_parallel: 0 sequential, 1 own threads, 2 OpenMP
_AFFIXES = (("", ""), ("", "64_"), ("scipy_", ""), ("scipy_", "64_"))


def safe_threads():
    """How many threads of this process belong to such pools, at most."""
    return sum(_pool_threads(path) for path in _libraries())


def _libraries():
    try:
        with open("/proc/self/maps", errors="replace") as stream:
            paths = {line.split(None, 5)[5].strip() for line in stream if "openblas" in line}
    except (OSError, IndexError):
        return []
    return sorted(path for path in paths if ".so" in os.path.basename(path))


def _pool_threads(path):
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
