"""The wire between agent and Python side: frames over a Unix stream socket.

docs/runner-protocol.md says what each kind means. Nothing here knows pytest.
"""

import codecs
import fcntl
import json
import os
import resource
import socket
import struct

VERSION = 1

HEADER = struct.Struct("<IHHII")
PAYLOAD_BYTES_MAX = 64 * 1024 * 1024
ZYGOTE = 0xFFFFFFFF  # a "slot" that is not a worker's

# To the agent.
HELLO = 1
MANIFEST = 2
COLLECT_END = 3
FORKED = 4
EVENT = 5
START = 6
REPORT = 7
DONE = 8
LATE = 9
SCOPE = 10
IDLE = 11
STOP = 12
BYE = 13
SKIP = 14
WORKERS = 15
ASK = 16
FOUND = 17

# From the agent.
CONFIG = 32
FORK = 33
RUN = 34
SETTLE = 35
QUIT = 36
CANCEL = 37
BLOCK = 38
FORWARD = 39
CRASH = 40
UP = 41
DOWN = 42
TOTAL = 43
END = 44
NOTE = 45
NONE = 46

ROLE_REPORTER = 1
ROLE_ZYGOTE = 2
ROLE_WORKER = 3
ROLE_FORKER = 4

FORK_EARLY = 1  # how, in FORK to the forker
FORK_SPAWN = 2
FORK_TELLS = 1  # flag of FORK: this worker's collection is the one to be shown

FLAG_DETAIL = 1  # of DONE
FLAG_MEMORY = 2  # of DONE: a u64 of KiB stands behind the times
BLOCK_LATE = 1  # of BLOCK: a wider teardown of a test already shown
BLOCK_MORE = 2  # of BLOCK: the rest of the test's reports follow

STOP_MAXFAIL = 1
STOP_SHOULDSTOP = 2
STOP_EXIT = 3
STOP_INTERRUPTED = 4
STOP_INTERNAL = 5
STOP_SIGNAL = 6

NONE_YET = 0  # of NONE
NONE_LAST = 1

SCOPE_SETUP = 1
SCOPE_TEARDOWN = 2

OUTCOME = {
    "passed": 1,
    "failed": 2,
    "error": 3,
    "skipped": 4,
    "xfailed": 5,
    "xpassed": 6,
    "crashed": 7,
}

# Tests that close "all" descriptors start at 3; ours lives where they seldom reach.
_HIGH_FD = 700


def frame(kind, a=0, b=0, payload=b"", flags=0):
    """One frame as bytes."""
    return HEADER.pack(len(payload), kind, flags, a, b) + payload


def plain(text):
    """text without what cannot travel as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def document(value):
    """value as JSON for the agent, which takes UTF-8 alone: what has none is shown as Python shows it."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "makespan_escape")


def _escape(error):
    """Half a surrogate pair, as a file name of other bytes has. JSON's own escape of it is refused, too."""
    bad = error.object[error.start:error.end]
    return "".join("\\\\u%04x" % ord(c) for c in bad), error.end


codecs.register_error("makespan_escape", _escape)


class Connection:
    """A blocking stream of frames. One per process, never shared over a fork."""

    def __init__(self, path):
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            plain.connect(path)
            self.sock = _move_high(plain)
        finally:
            plain.close()
        self._buffer = bytearray()
        self.exit_when_gone = False

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()

    def send(self, data):
        """Send whole frames, as made by frame()."""
        try:
            self.sock.sendall(data)
        except OSError as problem:
            self._gone("the agent does not listen: %s" % problem)

    def _gone(self, reason):
        """A zygote or worker without an agent has no reason to live; a reporter says so first."""
        if self.exit_when_gone:
            os._exit(1)
        raise EOFError(reason)

    def has_frame(self):
        """True if a whole frame has been read already."""
        size = len(self._buffer)
        return size >= 16 and size >= 16 + HEADER.unpack_from(self._buffer)[0]

    def receive(self):
        """The next frame as (kind, flags, a, b, payload); EOFError when the agent is gone."""
        while not self.has_frame():
            self._read(0)
        return self._take()

    def poll(self):
        """The next frame if it is here already, else None."""
        if not self.has_frame():
            try:
                self._read(socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            if not self.has_frame():
                return None
        return self._take()

    def _read(self, flags):
        try:
            data = self.sock.recv(65536, flags)
        except BlockingIOError:
            raise
        except OSError as problem:
            self._gone("the agent cannot be heard: %s" % problem)
        if not data:
            self._gone("the agent closed the connection")
        self._buffer += data
        if len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "little")
            if size > PAYLOAD_BYTES_MAX:
                self._gone("a frame of %d bytes" % size)

    def _take(self):
        size, kind, flags, a, b = HEADER.unpack_from(self._buffer)
        payload = bytes(self._buffer[16:16 + size])
        del self._buffer[:16 + size]
        return kind, flags, a, b, payload


def _move_high(plain):
    """The same connection under a high, close-on-exec descriptor."""
    return socket.socket(fileno=high_fd(plain.fileno()))


def high_fd(fd):
    """A duplicate of fd where tests that close "all" descriptors seldom reach."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    lowest = _HIGH_FD
    if soft != resource.RLIM_INFINITY:
        lowest = min(lowest, max(3, soft - 64))
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest)
    except OSError:
        return os.dup(fd)
