"""Ctrl-C and its likes in the reporter: workers stop, fixtures are torn down and what ran is shown.

The agent decides how long that may take; it gets its own copy of a signal to the whole group, as
terminals, `timeout` and CI systems send it.
"""

import contextlib
import os
import signal

from . import frames


class Interrupts:
    """on_stop(why, reason, number) is told of the first signal; the second one ends this process at once."""

    def __init__(self, on_stop):
        self._on_stop = on_stop
        self.interrupted = False
        self._told_to_end = False
        self._ways = {  # by default all of them end the reporter, and with it all that it has to show
            signal.SIGINT: (signal.default_int_handler, self._interrupt),
            signal.SIGTERM: (signal.SIG_DFL, self._end),
            signal.SIGHUP: (signal.SIG_DFL, self._end),
        }

    @contextlib.contextmanager
    def outlived(self):
        """Signals are taken so in here, where nobody ignores them or has his own way."""
        taken = [number for number, (default, _) in self._ways.items()
                 if signal.getsignal(number) is default]
        for number in taken:
            signal.signal(number, self._ways[number][1])
        try:
            yield
        finally:
            for number in taken:
                signal.signal(number, self._ways[number][0])

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
