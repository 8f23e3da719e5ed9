"""os.fork() as of Python 3.12 in a process with threads, where warnings are errors."""

import os
import warnings

_fork = os.fork


def fork():
    warnings.warn("this process is multi-threaded", DeprecationWarning, stacklevel=2)
    return _fork()


os.fork = fork
warnings.simplefilter("error", DeprecationWarning)
