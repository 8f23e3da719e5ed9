"""A test server of http_server.h and raw clients of it: bytes as a test wants them, over TLS."""

import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MAKESPAN_BUILD", ROOT / "build" / "debug"))
PROGRAM = BUILD / "tests" / "http" / "testd"
PATIENCE_S = 20  # for what must happen at once; a slow machine is no failure


class Server:
    """testd with limits of its own, in a folder of its own."""

    def __init__(self, grace_ms=10000, idle_ms=60000, connections=1000, body_bytes=1 << 20,
                 buffered_bytes=0, files=None):
        self.folder = tempfile.mkdtemp(prefix="msp-http-")
        words = [PROGRAM, self.folder, grace_ms, idle_ms, connections, body_bytes, buffered_bytes]
        words = [str(w) for w in words]
        if files:
            words = ["/bin/sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *words]
        with open(f"{self.folder}/log", "wb") as log:
            self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
        host, port = self.process.stdout.readline().strip().rsplit(":", 1)
        self.address = host, int(port)

    def log(self):
        return pathlib.Path(self.folder, "log").read_text()

    def stop(self):
        """Ends the server; 0 says that nothing leaked and nothing broke (with sanitizers)."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        if status:
            print(self.log())
        shutil.rmtree(self.folder)
        return status

    def context(self):
        """As strict as OpenSSL by itself: an end without close_notify is an error."""
        context = ssl.create_default_context(cafile=f"{self.folder}/ca.pem")
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        return context

    def connect(self):
        raw = socket.create_connection(self.address, PATIENCE_S)
        return self.context().wrap_socket(
            raw, server_hostname="127.0.0.1", suppress_ragged_eofs=False)

    def exchange(self, data):
        """Sends bytes and reads until the server closes; what it said. Fails on a dirty end."""
        with self.connect() as peer:
            peer.sendall(data)
            return read_all(peer)

    def ask(self, path, method="GET", body=b""):
        head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        if method != "GET":
            head += f"Content-Length: {len(body)}\r\n"
        return Answer(self.exchange(head.encode() + b"\r\n" + body))

    def stats(self):
        return self.ask("/stats").json()

    def wait_for(self, name, value):
        """Until a counter has its value."""
        self.wait_until(lambda stats: stats[name] == value)

    def wait_until(self, holds):
        end = time.monotonic() + PATIENCE_S
        while not holds(now := self.stats()):
            if time.monotonic() > end:
                raise AssertionError(f"not within {PATIENCE_S} s: {now}")
            time.sleep(0.02)


class Answer:
    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.line = lines[0]
        self.status = int(lines[0].split()[1]) if lines[0].startswith("HTTP/") else None
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()

    def json(self):
        return json.loads(self.body)


def read_all(peer):
    data = bytearray()
    while chunk := peer.recv(65536):
        data += chunk
    return bytes(data)


def read_answer(peer):
    """One answer of a connection that stays open."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = peer.recv(65536)
        if not chunk:
            raise AssertionError(f"closed after {data!r}")
        data += chunk
    answer = Answer(data)
    length = int(answer.headers.get("content-length", 0))
    while len(answer.body) < length:
        answer.body += peer.recv(65536)
    answer.rest, answer.body = answer.body[length:], answer.body[:length]
    return answer


def seconds_until_closed(peer, limit_s):
    """How long the server keeps the connection; fails when that is longer than the limit."""
    start = time.monotonic()
    peer.settimeout(limit_s)
    try:
        while peer.recv(65536):
            pass
    except (ConnectionError, ssl.SSLError):
        pass
    return time.monotonic() - start


class Case(unittest.TestCase):
    limits = {}

    def setUp(self):
        self.server = Server(**self.limits)

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0)

    def assert_problem(self, answer, status, code):
        self.assertEqual(answer.status, status, answer.line)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertEqual(answer.json()["code"], code)
        self.assertEqual(answer.json()["status"], status)
