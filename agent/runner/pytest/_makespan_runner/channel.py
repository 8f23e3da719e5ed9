"""Between the reporter and the processes forked from it: what its plugins have put into workerinput.

The agent has no part in this: workerinput may hold anything that pickles.
"""

import os
import pickle
import struct

_LENGTH = struct.Struct("<I")


def send(sock, value):
    """One object to the other side."""
    data = pickle.dumps(value)
    sock.sendall(_LENGTH.pack(len(data)) + data)


def receive(sock):
    """One object from the reporter; the end of the channel is our end."""
    size = _LENGTH.unpack(_receive_exactly(sock, _LENGTH.size))[0]
    return pickle.loads(_receive_exactly(sock, size))


def ask(sock, slot):
    """Ask the reporter for the input of one more worker: its plugins configure that one, too."""
    sock.sendall(_LENGTH.pack(slot))
    return receive(sock)


def receive_question(sock):
    """In the reporter: the slot asked for, or None when nobody is left who might ask."""
    data = sock.recv(_LENGTH.size)
    return _LENGTH.unpack(data)[0] if len(data) == _LENGTH.size else None


def _receive_exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            os._exit(0)  # the reporter gave up while configuring, and has said why
        data += part
    return data


class Inputs:
    """The workerinput of each slot, as far as it is known; more is asked for when it is needed."""

    def __init__(self, sock, workerinputs, basetemp):
        self._sock = sock
        self._known = dict(workerinputs)
        self.basetemp = basetemp

    @classmethod
    def await_from(cls, sock):
        """Wait until the reporter is configured and has told."""
        told = receive(sock)
        return cls(sock, dict(enumerate(told["workerinputs"])), told["basetemp"])

    def of(self, slot):
        if slot not in self._known:
            self._known[slot] = ask(self._sock, slot)
        return self._known[slot]

    def others(self):
        """Those of all slots but the first, as far as they are known."""
        return [workerinput for slot, workerinput in self._known.items() if slot != 0]

    def descriptors(self):
        return [] if self._sock is None else [self._sock.fileno()]

    def close(self):
        """In a worker: it asks for nothing any more."""
        if self._sock is not None:
            self._sock.close()
