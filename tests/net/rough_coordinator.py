"""rough_coordinator - a small coordinator over HTTPS that misbehaves as told, for tests of the agent.

It keeps no promise but one: it remembers every request, and which results it took. faults maps a kind
of request ("join", "collected", "part", "pull", "results", "drain", "leave") to what happens to the
next requests of that kind, one entry each:

    "lose"    the connection ends before the request is looked at
    "mute"    the request is carried out, the connection ends without an answer
    "503"     refused as a coordinator does;  "html": as a load balancer does
    "garbage" 200 and something that is no answer
    "gone"    carried out, and 410 session-gone;  "401": token-refused;
              "taken": slot-taken;  "over": conflict, the run has ended
    number    carried out, the answer comes so many seconds later
"""

import collections
import gzip
import json
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import tls_server  # noqa: E402

HOLD_S = 2.0  # a pull is held so long at most, whatever it asks for


def make_certificate(folder):
    """A key and a certificate of its own for 127.0.0.1; returns (certificate, pin)."""
    folder = pathlib.Path(folder)
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=rough",
         "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "x509", "-in", cert, "-pubkey", "-noout"], check=True,
                            capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, check=True,
                         capture_output=True).stdout
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-binary"], input=der, check=True,
                            capture_output=True).stdout
    encoded = subprocess.run(["openssl", "base64", "-A"], input=digest, check=True,
                             capture_output=True).stdout.decode()
    return cert, key, "sha256//" + encoded


def ids_of(text):
    """The ids of a manifest's text form (common/manifest.h)."""
    head, _, rest = text.partition(b"\n")
    count = int(head.split()[2])
    ids, before = [], b""
    for _ in range(count):
        shared, _, rest = rest.partition(b" ")
        size, _, rest = rest.partition(b" ")
        test_id = before[:int(shared)] + rest[:int(size)]
        rest = rest[int(size) + 1:]
        for after in (b" ", b"\n"):  # group, flags
            size, _, rest = rest.partition(b" ")
            assert rest[int(size):int(size) + 1] == after
            rest = rest[int(size) + 1:]
        ids.append(test_id.decode())
        before = test_id
    assert not rest
    return ids


class Coordinator:
    def __init__(self, folder, **settings):
        self.cert, self.key, self.pin = make_certificate(folder)
        self.lock = threading.Condition()
        self.faults = collections.defaultdict(collections.deque)
        self.shard = settings.get("shard", 5)
        self.beat_ms = settings.get("beat_ms", 3000)
        self.session_ms = settings.get("session_ms", 10000)
        self.script = collections.deque()  # orders to give before anything else, without numbers
        self.repeat_orders = False  # send orders again that were acknowledged
        self.requests = []  # (kind, body)
        self.sessions = {}  # nonce -> session
        self.session_prefix = "s"
        self.parts, self.ids, self.waiting = {}, None, []
        self.results = collections.Counter()  # test id -> times accepted
        self.released, self.orders = [], []
        self.numbers = collections.defaultdict(dict)  # session -> number of a request -> its body
        self.next_number, self.pull_number, self.left = 1, 0, []
        self.connections = set()
        self.port, self.server = 0, None
        self.start()

    # ---- life ----

    def start(self):
        self.stopping = False
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.cert, self.key)
        self.server = tls_server.make(self.port, self.context, self.handle, idle_s=30, met=self.meet)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def meet(self, connection):
        with self.lock:
            self.connections.add(connection)

    def stop(self):
        """As kill -9: nobody listens, every connection is gone, and nothing is answered in between."""
        self.stopping = True
        self.server.shutdown()
        self.server.server_close()
        with self.lock:
            doomed, self.connections = self.connections, set()
            self.pull_number += 1  # held pulls are nobody's any more
            self.lock.notify_all()
        for connection in doomed:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    # ---- requests ----

    def handle(self, handler):
        size = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(size)
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        kind = self.kind_of(handler.path)
        with self.lock:
            fault = self.faults[kind].popleft() if self.faults[kind] else None
            self.requests.append((kind, body, handler.headers.get("Authorization"), time.monotonic()))
            self.lock.notify_all()
        if fault == "lose" or self.stopping:
            return self.hang_up(handler)
        refused = {
            "503": (503, "application/problem+json",
                    b'{"type":"about:blank","title":"x","status":503,"code":"unavailable","detail":"soon"}'),
            "html": (502, "text/html", b"<html>\nbad gateway"),
            "garbage": (200, "application/json", b"\0\1not json"),
            "taken": (409, "application/problem+json", b'{"status":409,"code":"slot-taken","detail":"slot 0"}'),
            "over": (409, "application/problem+json",
                     b'{"status":409,"code":"conflict","detail":"run r1 has ended"}'),
            "401": (401, "application/problem+json", b'{"status":401,"code":"token-refused","detail":"no"}'),
        }.get(fault)
        if refused:
            return self.answer(handler, *refused)
        answer = getattr(self, "do_" + kind)(handler.path, body)
        if fault == "gone":
            return self.answer(handler, 410, "application/problem+json",
                               b'{"status":410,"code":"session-gone","detail":"late"}')
        if fault == "mute" or answer is None:
            return self.hang_up(handler)
        if isinstance(fault, (int, float)):
            time.sleep(fault)  # the slowness is what is tested
        return self.answer(handler, 200, "application/json", json.dumps(answer).encode())

    @staticmethod
    def kind_of(path):
        return "part" if "/manifest/" in path else re.match(r".*/(\w+)", path.split("?")[0])[1]

    @staticmethod
    def hang_up(handler):
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def answer(handler, status, kind, body):
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def do_join(self, _, body):
        join = json.loads(body)
        with self.lock:
            session = self.sessions.setdefault(join["nonce"], f"{self.session_prefix}{len(self.sessions)}")
        return {"run": "r1", "session": session, "session_token": "mss_" + session, "epoch": 1, "seed": 7,
                "session_ms": self.session_ms, "beat_ms": self.beat_ms, "manifest": None}

    def do_collected(self, _, body):
        with self.lock:
            if self.waiting:
                return {"action": self.waiting.pop(0)}
            return {"action": "go" if self.ids is not None else "upload"}

    def do_part(self, path, body):
        part, of = map(int, re.search(r"/(\d+)\?of=(\d+)$", path).groups())
        with self.lock:
            self.parts[part] = gzip.decompress(body)
            assert len(self.parts[part]) <= 1 << 20
            if len(self.parts) < of:
                return {"have": len(self.parts)}
            self.ids = ids_of(b"".join(self.parts[i] for i in range(of)))
            self.waiting_ids = collections.deque(self.ids)
            return {"have": of, "action": "go"}

    def new_order(self, order):
        order = {"number": self.next_number, **order}
        self.next_number += 1
        self.orders.append(order)

    def make_orders(self, free):
        if self.script:
            order = self.script.popleft()
            self.new_order(order() if callable(order) else order)
        elif self.waiting_ids and free > 0:
            count = min(self.shard, len(self.waiting_ids))
            tests = [[self.waiting_ids.popleft(), 0, 1000] for _ in range(count)]
            self.new_order({"kind": "shard", "fence": self.next_number, "tests": tests})
        elif len(self.results) == len(self.ids):
            self.new_order({"kind": "end", "complete": True, "exit": 0, "message": "done"})

    def do_pull(self, _, body):
        pull = json.loads(body)
        deadline = time.monotonic() + min(HOLD_S, pull["wait_ms"] / 1000)
        with self.lock:
            self.pull_number += 1
            mine = self.pull_number
            self.lock.notify_all()
            while True:
                unseen = [o for o in self.orders if o["number"] > pull["order_seen"]]
                if not unseen:
                    self.make_orders(pull["free"])
                    unseen = [o for o in self.orders if o["number"] > pull["order_seen"]]
                left = deadline - time.monotonic()
                if unseen or left <= 0 or mine != self.pull_number:
                    break
                self.lock.wait(left)
            sent = self.orders if self.repeat_orders else unseen
            return {"orders": list(sent), "beat_ms": self.beat_ms}

    def do_results(self, _, body):
        results = json.loads(body)
        with self.lock:
            number, seen = results["request"], self.numbers[results["session"]]
            if number in seen:
                assert seen[number] == body, "the same number with another body"
            else:
                seen[number] = body
                for result in results.get("results", ()):
                    self.results[result["test"][0]] += 1
                for test, _ in results.get("released", ()):
                    self.released.append(test)
                    self.waiting_ids.append(test)
            self.lock.notify_all()
        return {"accepted": number}

    def do_drain(self, _, body):
        return {"accepted": json.loads(body)["request"]}

    def do_leave(self, _, body):
        with self.lock:
            self.left.append(json.loads(body))
            complete = self.ids is not None and len(self.results) == len(self.ids)
        return {"final": complete, "complete": complete, "verdict": "green" if complete else "none",
                "exit": 0 if complete else 75}

    # ---- for tests ----

    def count(self, kind):
        with self.lock:
            return sum(1 for request in self.requests if request[0] == kind)

    def wait_until(self, condition, timeout_s=20):
        with self.lock:
            if not self.lock.wait_for(condition, timeout_s):
                raise AssertionError("it did not come to that")
