"""Seconds that pass, whatever tests do to time: freezegun puts its own in the module and in all that took from it."""

import time


def seconds(_read=time.perf_counter):
    """From some moment on; only differences mean something."""
    return _read()
