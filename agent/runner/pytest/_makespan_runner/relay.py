"""Between a worker and the child that runs an isolated test: the child's frames, passed on, and its end."""

import os
import select
import signal

from . import frames

# On the pipe only: the child left the test by an exception that ends the session.
RAISED = 0xFF00


class Pipe:
    """Stands for the connection in the child."""

    def __init__(self, fd):
        self.fd = fd

    def send(self, data):
        view = memoryview(data)
        while view:
            view = view[os.write(self.fd, view):]

    def poll(self):
        return None

    def close(self):
        try:
            os.close(self.fd)
        except OSError:
            pass


class Relay:
    """Passes on the frames of a child, and notes what the worker has to know of them."""

    def __init__(self, tests, pid):
        self._tests = tests
        self._pid = pid
        self._data = bytearray()
        self.status = None
        self.done = self.failed = self.failed_report = self.stopped = False
        self.raised = None

    def until_end(self, fd):
        """Until the child is gone. Ctrl-C is for the child: once to stop, twice to die."""
        interrupts = [signal.SIGKILL, signal.SIGINT]
        while True:
            try:
                self._read(fd)
                return
            except KeyboardInterrupt:
                os.kill(self._pid, interrupts.pop() if interrupts else signal.SIGKILL)

    def _read(self, fd):
        with _Watch(self._pid) as watch:
            while self.status is None:
                gone = watch.wait(fd)
                data = os.read(fd, 65536) if not gone or select.select([fd], [], [], 0)[0] else b""
                if data:
                    self._take(data)
                else:
                    self.status = os.waitpid(self._pid, 0)[1]

    def _take(self, data):
        self._data += data
        while len(self._data) >= frames.HEADER.size:
            size, kind, _flags, _a, b = frames.HEADER.unpack_from(self._data)
            end = frames.HEADER.size + size
            if len(self._data) < end:
                break
            whole = bytes(self._data[:end])
            del self._data[:end]
            if kind == RAISED:
                self.raised = whole[frames.HEADER.size:]
                continue
            self._note(kind, b)
            self._tests.link.connection.send(whole)

    def _note(self, kind, b):
        if kind == frames.DONE:
            self.done = True
            self.failed = b in (frames.OUTCOME["failed"], frames.OUTCOME["error"])
        elif kind == frames.REPORT and not self.done:
            self.failed_report = True  # what has failed is told at once; the rest with DONE
        elif kind == frames.STOP:
            self.stopped = True


class _Watch:
    """Tells the end of a child even while a process that it started holds its end of the pipe."""

    def __init__(self, pid):
        self._fd = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        if self._fd is not None:
            os.close(self._fd)

    def wait(self, fd):
        """Until fd can be read or the child is gone; True for the latter."""
        watched = [fd] if self._fd is None else [fd, self._fd]
        return self._fd in select.select(watched, [], [])[0]


def describe_end(status):
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return "killed by %s (%d)" % (signal.Signals(number).name, number)
        except ValueError:
            return "killed by signal %d" % number
    return "exit status %d" % os.WEXITSTATUS(status)
