"""A small agent for tests of the Python side: speaks docs/runner-protocol.md, decides simply.

    fake_agent.py [-n WORKERS] [--start fork|early|spawn] [--prefetch 0|1] [--answer] [--settle-each] [--in-turn] -- python3 -m pytest ...

It gives each worker the next test of the manifest, keeps the outcomes, and exits as pytest did. It is
subreaper and keeper in one. Not for: users, or the quality of its schedule.
"""

import argparse
import collections
import ctypes
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
RUNNER = os.path.join(HERE, "..", "..", "agent", "runner", "pytest")
sys.path.insert(0, RUNNER)

from _makespan_runner import frames  # noqa: E402

_PR_SET_CHILD_SUBREAPER = 36


class Peer:
    """One connection: reporter, zygote or worker."""

    def __init__(self, sock):
        self.sock = sock
        self.data = bytearray()
        self.role = None
        self.slot = None
        self.pid = None
        self.running = None  # (index, started)
        self.queue = collections.deque()
        self.block = []
        self.idle = False
        self.quit_sent = False
        self.bye = False

    def send(self, kind, a=0, b=0, payload=b"", flags=0):
        try:
            self.sock.sendall(frames.frame(kind, a, b, payload, flags))
        except OSError:
            pass


class FakeAgent:
    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="fake-agent-")
        self.selector = selectors.DefaultSelector()
        self.reporter = self.zygote = self.forker = None
        self.start = frames.FORK_EARLY if options.start == "early" else frames.FORK_SPAWN
        self.collections = {}  # peer -> [(nodeid, group, flags)]
        self.differs = []
        self.found = {}  # by forker and zygote: what is in the way of a fork
        self.workers = {}
        self.coming = set()  # slots of workers that have not said HELLO
        self.awaited = set()  # the first workers, until each is up: else one of them may run everything
        self.early_birds = []
        self.tests = []  # (nodeid, group, flags)
        self.pending = collections.deque()
        self.outcomes = {}
        self.details = {}
        self.scopes = []
        self.next_slot = 0
        self.stopped = None  # reason
        self.status = None
        self.refused = None
        self.ended = False
        self.pids = {}
        self.log = []

    def main(self):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.path.join(self.folder, "s"))
        listener.listen()
        self.selector.register(listener, selectors.EVENT_READ, None)
        command = self._start()
        try:
            while command.poll() is None or len(self.selector.get_map()) > 1:
                for key, _events in self.selector.select(0.05):
                    if key.data is None:
                        peer = Peer(listener.accept()[0])
                        self.selector.register(peer.sock, selectors.EVENT_READ, peer)
                    else:
                        self._read(key.data)
                if command.poll() is not None and self.reporter is None:
                    break
        finally:
            self._clean()
        return command.returncode

    def _start(self):
        private = os.path.join(self.folder, "private")
        shutil.copytree(RUNNER, private)
        environment = dict(os.environ)
        before = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = private + (os.pathsep + before if before else "")
        environment["_MAKESPAN_SOCKET"] = os.path.join(self.folder, "s")
        environment["_MAKESPAN_KEY"] = "key"
        environment["_MAKESPAN_RESTORE"] = json.dumps({"PYTHONPATH": before})
        argv = list(self.options.command)
        at = argv.index("pytest") + 1
        argv[at:at] = ["-p", "_makespan"]
        return subprocess.Popen(argv, env=environment)

    def _clean(self):
        self._reap()
        for pid in list(self.pids.values()):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, peer):
        try:
            data = peer.sock.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            self._gone(peer)
            return
        peer.data += data
        while len(peer.data) >= 16:
            size, kind, flags, a, b = frames.HEADER.unpack_from(peer.data)
            if len(peer.data) < 16 + size:
                break
            payload = bytes(peer.data[16:16 + size])
            del peer.data[:16 + size]
            self.log.append((peer.role, peer.slot, kind, a, b, len(payload)))
            getattr(self, "_on_%d" % kind)(peer, flags, a, b, payload)

    def _gone(self, peer):
        self.selector.unregister(peer.sock)
        peer.sock.close()
        if peer.role == frames.ROLE_WORKER:
            self._worker_gone(peer)
        elif peer.role == frames.ROLE_ZYGOTE and not self.ended:
            self.stopped = self.stopped or "broken"
            self.status = self.status or 3
            self._end()

    def _worker_gone(self, peer):
        self.workers.pop(peer.slot, None)
        if peer in self.early_birds:
            self.early_birds.remove(peer)
        status = self._reap(peer.pid)
        if not peer.bye:
            index = 0xFFFFFFFF
            crash = {"id": None, "k": 0, "signal": None, "status": status,
                     "text": "worker gw%d died (status %s)" % (peer.slot, status)}
            for end in ("out", "err", "log"):
                path = os.path.join(self.folder, "gw%d.%s" % (peer.slot, end))
                if os.path.exists(path):
                    with open(path, errors="replace") as stream:
                        crash["output"] = crash.get("output", "") + stream.read()
            if peer.running is not None:
                index = peer.running
                crash["id"] = self.tests[index][0]
                crash["text"] = "worker gw%d crashed while running %s (status %s)" % (
                    peer.slot, crash["id"], status)
                self.outcomes[index] = "crashed"
            self.pending.extendleft(reversed(peer.queue))
            self.reporter.send(frames.CRASH, index, peer.slot, json.dumps(crash).encode())
        self.reporter.send(frames.DOWN, peer.slot, 0 if peer.bye else 1, b"")
        if not peer.bye and self.pending and not self.stopped:
            self._fork()
        elif not self.workers and not self.coming:
            self._end()
        self._no_longer_awaited(peer)

    def _end(self):
        if self.ended:
            return
        self.ended = True
        for peer in (self.zygote, self.forker):
            if peer:
                peer.send(frames.QUIT)
        more = {"reason": self.stopped or "done", "message": None, "status": self.status}
        self.reporter.send(frames.END, 1 if self.stopped else 0, 0, json.dumps(more).encode())

    def _reap(self, wanted=None):
        status = None
        for pid in list(self.pids.values()):
            try:
                got, code = os.waitpid(pid, 0 if pid == wanted else os.WNOHANG)
            except ChildProcessError:
                continue
            if got == wanted:
                status = code
        return status

    # Frames, by number.

    def _on_1(self, peer, _flags, role, slot, payload):
        hello = json.loads(payload)
        assert hello["key"] == "key"
        peer.role, peer.pid = role, hello["pid"]
        if role == frames.ROLE_REPORTER:
            self.reporter = peer
            self.hello = hello
            wanted = self.options.workers
            workers = 0 if hello["inline"] else wanted
            peer.send(frames.CONFIG, workers, 0, json.dumps(
                {"workers": workers, "run_uid": "uid", "dist": hello["dist"],
                 "max_slots": workers, "note": None}).encode())
        elif role == frames.ROLE_FORKER:
            self.forker = peer
            self.found["forker"] = hello["facts"]
            if self.options.start == "fork":
                peer.send(frames.FORK, frames.ZYGOTE)
                return
            self._fork_first(self.options.workers)
        elif role == frames.ROLE_ZYGOTE:
            self.zygote = peer
        else:
            peer.slot = slot
            self.coming.discard(slot)
            self.workers[slot] = peer
            self.pids[slot] = hello["pid"]
            if self.options.start == "fork":
                self._up(peer)

    def _up(self, peer):
        self.reporter.send(frames.UP, peer.slot, peer.pid)
        self.early_birds.append(peer)
        self._no_longer_awaited(peer)

    def _no_longer_awaited(self, peer):
        self.awaited.discard(peer.slot)
        while self.early_birds and not self.awaited:
            self._feed(self.early_birds.pop(0))

    def _on_2(self, peer, _flags, count, last, payload):
        fields = payload.decode("utf-8", "replace").split("\0")
        assert len(fields) == count * 3 + 1
        collected = self.collections.setdefault(peer, [])
        for at in range(0, count * 3, 3):
            collected.append(tuple(fields[at:at + 3]))

    def _on_3(self, peer, _flags, status, runs, payload):
        if peer.slot:
            self._check_collection(peer)
            return
        self.found["zygote"] = json.loads(payload).get("facts", {})
        if not runs:
            self.refused = json.loads(payload)["reason"]
            self.stopped, self.status = "nothing", status
            self._end()
            return
        self.tests = self.collections[peer]
        self.pending.extend(range(len(self.tests)))
        self.reporter.send(frames.TOTAL, len(self.tests), 0,
                           json.dumps({"collected": len(self.tests), "message": None}).encode())
        if self.options.start != "fork":
            self._up(peer)
            for other in list(self.workers.values()):
                if other is not peer and other in self.collections:
                    self._check_collection(other)
            return
        if not self.tests:
            self._end()
            return
        self._fork_first(min(self.options.workers, len(self.tests)))

    def _check_collection(self, peer):
        """Of a worker that has collected for itself."""
        if not self.tests:
            return  # the first one is not ready
        if sorted(self.collections[peer]) == sorted(self.tests):
            self._up(peer)
        else:
            self.differs.append(peer.slot)
            self._quit(peer)
            self._no_longer_awaited(peer)

    def _fork_first(self, workers):
        self.awaited.update(range(workers))
        for _ in range(workers):
            self._fork()

    def _fork(self):
        slot, self.next_slot = self.next_slot, self.next_slot + 1
        self.coming.add(slot)
        if self.options.start == "fork":
            self.zygote.send(frames.FORK, slot)
        else:
            self.forker.send(frames.FORK, slot, self.start, flags=0 if slot else frames.FORK_TELLS)

    def _on_4(self, peer, _flags, slot, pid, payload):
        if slot != frames.ZYGOTE:
            self.pids[slot] = pid

    def _on_5(self, peer, _flags, a, b, payload):
        slot = frames.ZYGOTE if peer.slot is None else peer.slot
        self.reporter.send(frames.FORWARD, slot, 0, payload)

    def _on_6(self, peer, _flags, index, b, payload):
        # After a CANCEL the queue is forgotten here, but this one had started.
        assert not peer.queue or peer.queue.popleft() == index
        peer.running = index

    def _on_7(self, peer, _flags, index, late, payload):
        part = len(payload).to_bytes(4, "little") + payload
        if late:
            self.reporter.send(frames.BLOCK, index, peer.slot, part, frames.BLOCK_LATE)
        else:
            peer.block.append(part)

    def _on_8(self, peer, flags, index, outcome, payload):
        assert index == peer.running
        words = {number: word for word, number in frames.OUTCOME.items()}
        self.outcomes.setdefault(index, words[outcome])
        if flags & 1:
            self.details[index] = json.loads(payload[32 if flags & frames.FLAG_MEMORY else 24:])
        peer.running = None
        self.reporter.send(frames.BLOCK, index, peer.slot, b"".join(peer.block))
        peer.block = []
        self._feed(peer)

    def _on_9(self, peer, _flags, index, outcome, payload):
        self.outcomes[index] = "error"
        self.details[index] = json.loads(payload)

    def _on_10(self, peer, _flags, microseconds, which, payload):
        kind, base_id, _rest = payload.decode().split("\0")
        self.scopes.append((kind, base_id, microseconds, which))

    def _on_11(self, peer, _flags, a, b, payload):
        if a == 0:
            peer.idle = False
            self._feed(peer, may_settle=False)

    def _on_12(self, peer, _flags, why, status, reason):
        if self.options.late_run and self.pending:
            index = self.pending.popleft()  # it was on its way when the worker stopped
            peer.send(frames.RUN, index, 0, self.tests[index][0].encode())
            self._quit(peer)
        self.stopped = reason.decode() or "stopped"
        self.pending.clear()
        for worker in self.workers.values():
            worker.send(frames.CANCEL)
            worker.queue.clear()
            self._quit(worker)

    def _on_13(self, peer, _flags, status, b, payload):
        peer.bye = True
        self.reporter.send(frames.FORWARD, 0xFFFFFFFF if peer.slot is None else peer.slot, 1,
                           payload)

    def _on_16(self, peer, _flags, index, b, payload):
        """Asked for the next test. Without --answer it is not known in time."""
        if peer.queue:
            return
        there_is_one = self._next(peer) is not None
        if self.options.answer and there_is_one and not self.stopped:
            self._name(peer)
        else:
            peer.send(frames.NONE, frames.NONE_YET if there_is_one else frames.NONE_LAST)

    def _next(self, peer):
        """Index of the test that this worker is to run next; None for none."""
        return next((index for index in self.pending if not self.options.in_turn
                     or index % self.options.workers == peer.slot), None)

    def _name(self, peer):
        index = self._next(peer)
        self.pending.remove(index)
        peer.queue.append(index)
        peer.send(frames.RUN, index, 0, self.tests[index][0].encode())

    def _feed(self, peer, may_settle=True):
        """Keep the worker supplied: one test in flight, and the next one if so asked."""
        wanted = self.options.prefetch + 1
        if self.options.settle_each and may_settle and not peer.running and not peer.queue:
            peer.send(frames.SETTLE)
            return
        while self._next(peer) is not None and not self.stopped and (
                len(peer.queue) + (peer.running is not None) < wanted):
            self._name(peer)
        if not peer.queue and peer.running is None and self._next(peer) is None:
            self._quit(peer)

    def _quit(self, peer):
        if not peer.quit_sent:
            peer.quit_sent = True
            peer.send(frames.QUIT)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", dest="workers", type=int, default=2)
    parser.add_argument("--start", choices=["fork", "early", "spawn"], default="fork")
    parser.add_argument("--prefetch", type=int, default=1)
    parser.add_argument("--answer", action="store_true", help="name the next test when asked")
    parser.add_argument("--settle-each", action="store_true")
    parser.add_argument("--in-turn", action="store_true", help="each test to the worker whose turn it is")
    parser.add_argument("--late-run", action="store_true", help="a RUN and no CANCEL after a STOP")
    parser.add_argument("--facts", help="write outcomes and scopes here, as JSON")
    parser.add_argument("command", nargs="+")
    agent = FakeAgent(parser.parse_args())
    status = agent.main()
    if agent.options.facts:
        with open(agent.options.facts, "w") as stream:
            json.dump({
                "outcomes": [[agent.tests[index][0], word]
                             for index, word in sorted(agent.outcomes.items())],
                "details": {agent.tests[index][0]: detail
                            for index, detail in agent.details.items()},
                "scopes": agent.scopes,
                "refused": agent.refused,
                "found": agent.found,
            }, stream)
    return status


if __name__ == "__main__":
    sys.exit(main())
