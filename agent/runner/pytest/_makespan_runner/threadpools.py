"""Numerical libraries start a thread per CPU, in every worker: they are told to share the CPUs.

They read these variables when they are imported, so this comes before any conftest. What the user has
set stays, and where OMP_NUM_THREADS is set, so do its kin, which take it for their own.
"""

import os

_OPENMP = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
           "NUMEXPR_NUM_THREADS")
_OTHERS = ("RAYON_NUM_THREADS", "NUMBA_NUM_THREADS")


def share(count):
    """Let each worker's libraries start so many threads; 0 or None: leave everything alone."""
    if not count:
        return
    names = _OTHERS if _OPENMP[0] in os.environ else _OPENMP + _OTHERS
    for name in names:
        os.environ.setdefault(name, str(count))
