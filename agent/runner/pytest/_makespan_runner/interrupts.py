"""Ctrl-C and its likes in the reporter: workers stop, fixtures are torn down and what ran is shown.

The agent decides how long that may take; it gets its own copy of a signal to the whole group, as
terminals, `timeout` and CI systems send it.
"""

import contextlib
import os
import signal

from . import frames

# By default they would end the reporter, and with it all that it has to show.
_ENDS = (signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """on_stop(why, reason, number) is told of the first signal; the second one ends this process at once."""

    def __init__(self, on_stop):
        self._on_stop = on_stop
        self.interrupted = False
        self._told_to_end = False

    @contextlib.contextmanager
    def outlived(self):
        """Signals are taken so in here, where nobody ignores them or has his own way."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_ENDS)}
        if before[signal.SIGINT] is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)
        for number in _ENDS:
            if before[number] is signal.SIG_DFL:
                signal.signal(number, self._end)
        try:
            yield
        finally:
            for number, handler in before.items():
                if handler in (signal.default_int_handler, signal.SIG_DFL):
                    signal.signal(number, handler)

    def _interrupt(self, number, frame):
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        self._on_stop(frames.STOP_INTERRUPTED, "interrupted")

    def _end(self, number, frame):
        if self._told_to_end:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._told_to_end = True
        self._on_stop(frames.STOP_SIGNAL, signal.Signals(number).name, number)
