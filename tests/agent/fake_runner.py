"""A runner that is not pytest: speaks the frames of docs/runner-protocol.md, well or badly.

    makespan run -n 2 -- python3 fake_runner.py MODE

Prints one line for every frame that its reporter gets, so that a test can tell what the agent
said. Reporter and forker are two processes, each with a connection; the others are forked twice, as the
real ones are.
"""

import json
import os
import signal
import socket
import struct
import sys
import time

HELLO, MANIFEST, COLLECT_END, FORKED, EVENT, START, REPORT, DONE, LATE, SCOPE, IDLE, STOP, BYE = range(1, 14)
CONFIG, FORK, RUN, SETTLE, QUIT, CANCEL, BLOCK, FORWARD, CRASH, UP, DOWN, TOTAL, END = range(32, 45)
NAMES = {BLOCK: "BLOCK", FORWARD: "FORWARD", CRASH: "CRASH", UP: "UP", DOWN: "DOWN", TOTAL: "TOTAL", END: "END"}
REPORTER, ZYGOTE, WORKER, FORKER = 1, 2, 3, 4
HEADER = struct.Struct("<IHHII")
TESTS = 6
ANY = 0xFFFFFFFF


def say(line):
    """One write a line: several processes share this output."""
    os.write(1, f"{line}\n".encode())


class Peer:
    def __init__(self, role, slot=0, key=None):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(os.environ["_MAKESPAN_SOCKET"])
        hello = {"version": 1, "key": key or os.environ["_MAKESPAN_KEY"], "pid": os.getpid()}
        self.send(HELLO, role, slot, json.dumps(hello).encode())

    def send(self, kind, a=0, b=0, payload=b"", flags=0):
        self.socket.sendall(HEADER.pack(len(payload), kind, flags, a, b) + payload)

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def receive(self):
        size, kind, _flags, a, b = HEADER.unpack(self.read(HEADER.size))
        return kind, a, b, self.read(size)


def worker(slot, mode):
    run_tests(Peer(WORKER, slot), mode)


def run_tests(me, mode):
    settled = False
    while True:
        kind, a, _b, _payload = me.receive()
        if kind == RUN and mode == "deaf" and os.environ.get("HANGS") and a == 0 and is_first():
            run_past_quit(me)
        elif kind == RUN:
            me.send(START, a)
            misbehave(me, mode, a)
            me.send(REPORT, a, 0, b"report of %d" % a)
            me.send(DONE, a, 1, struct.pack("<QQQ", 1, 1000, 1))
            settled = False
        elif kind == SETTLE:
            me.send(IDLE)
            settled = True
        elif kind == CANCEL:
            me.send(IDLE, 1)
        elif kind == QUIT:
            if mode == "late" and not settled:
                me.send(EVENT, 0, 0, b"last words")
            me.send(BYE, 0, 0, b"output")
            os._exit(0)


def is_first():
    """Of all machines of the run: HANGS is a file that one can make."""
    try:
        os.close(os.open(os.environ["HANGS"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def run_past_quit(me):
    """Hangs in test 0 until it is told that this is of no use, and then runs what it was named before."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    me.send(START, 0)
    hand = [0]
    while True:
        kind, a, _b, _payload = me.receive()
        if kind == RUN:
            hand.append(a)
        elif kind == CANCEL:
            del hand[1:]
            me.send(IDLE, 1)
        elif kind == QUIT:
            break
    for test in hand:
        if test:
            say(f"BESIDE {test}")
            me.send(START, test)
        me.send(REPORT, test, 0, b"report of %d" % test)
        me.send(DONE, test, 1, struct.pack("<QQQ", 1, 1000, 1))
    me.send(IDLE)
    me.send(BYE)
    os._exit(0)


def misbehave(me, mode, test):
    if test != 2:
        return
    if mode == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if mode == "garbage":
        me.socket.sendall(b"\xff" * 64)
    if mode == "too-large":
        me.socket.sendall(HEADER.pack((64 << 20) + 1, REPORT, 0, 2, 0))
    if mode == "out-of-turn":
        me.send(DONE, 5, 1, struct.pack("<QQQ", 1, 1, 1))
    if mode == "unknown-test":
        me.send(REPORT, 1000, 0, b"")
    if mode in ("garbage", "too-large", "out-of-turn", "unknown-test"):
        time.sleep(60)  # the agent kills us
    if mode in ("slow", "slow-2s"):
        say("SLOW")
        time.sleep(60 if mode == "slow" else 2)
    if mode == "silent-close":
        me.socket.close()
        time.sleep(60)
    if mode == "child-holds-socket":
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        os._exit(9)
    if mode == "exit":
        me.send(STOP, 3, 7, b"pytest.exit was called")
        me.send(BYE)
        os._exit(0)


def fork_worker(zygote, slot, mode):
    fork_orphan(zygote, slot, worker, mode)


def fork_orphan(asked, slot, become, mode):
    read_end, write_end = os.pipe()
    middle = os.fork()
    if middle == 0:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            try:
                become(slot, mode)
            finally:
                os._exit(1)
        os.write(write_end, b"%d" % pid)
        os._exit(0)
    os.waitpid(middle, 0)
    asked.send(FORKED, slot, int(os.read(read_end, 20)))
    os.close(read_end)
    os.close(write_end)


def zygote_main(_slot, mode):
    zygote = Peer(ZYGOTE)
    if mode == "zygote-dies":
        os._exit(1)
    texts = b"".join(b"f.py::t%d\0\0\0" % i for i in range(TESTS))
    zygote.send(MANIFEST, TESTS + (mode == "bad-manifest"), 1, texts)
    zygote.send(COLLECT_END, 0, 1, b"{}")
    while True:
        kind, a, _b, _payload = zygote.receive()
        if kind == FORK:
            fork_worker(zygote, a, mode)
        elif kind == QUIT:
            os._exit(0)


def forker_main(mode):
    """Starts who collects: one zygote, or workers that each collect for themselves."""
    forker = Peer(FORKER)
    if mode == "forker-dies":
        os._exit(1)
    while True:
        kind, a, _how, _payload = forker.receive()
        if kind == QUIT:
            os._exit(0)
        fork_orphan(forker, a, zygote_main if a == ANY else early_worker, mode)


def early_worker(slot, mode):
    me = Peer(WORKER, slot)
    ids = list(range(TESTS))
    if mode == "other-order":
        ids = ids[slot:] + ids[:slot]
    if mode == "other-tests" and slot == 1:
        ids = ids[1:] + [TESTS]
    if mode == "cannot-collect" and slot == 1:
        me.send(COLLECT_END, 2, 0, b'{"reason": "an import failed"}')
        os._exit(0)
    if mode == "dies-collecting" and slot == 1:
        os._exit(7)
    if mode == "first-dies-collecting" and slot == 0:
        os._exit(7)
    me.send(MANIFEST, len(ids), 1, b"".join(b"f.py::t%d\0\0\0" % i for i in ids))
    me.send(COLLECT_END, 0, 1, b"{}")
    run_tests(me, mode)


def refused(role, **kw):
    try:
        Peer(role, **kw).receive()
    except (EOFError, ConnectionError):
        say("REFUSED")


def main(mode):
    if mode == "no-hello":
        return 3
    if mode == "wrong-key":
        refused(REPORTER, key="wrong")
    reporter = Peer(REPORTER)
    if reporter.receive()[0] != CONFIG:
        return 9
    if mode == "second-hello":
        refused(REPORTER)
    if mode == "ends-early":
        return 0
    if os.fork() == 0:
        try:
            forker_main(mode)
        finally:
            os._exit(1)
    while True:
        kind, a, b, payload = reporter.receive()
        say(f"{NAMES.get(kind, kind)} {a} {b} {payload.decode('latin-1')}")
        if kind == END:
            asked = json.loads(payload).get("status")
            return asked if asked is not None else (2 if a else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
