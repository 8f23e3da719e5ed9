"""Clients that stall, trickle or never read are cut off; ones that are only slow are not. The grace is
2 s here instead of 10."""

import socket
import threading
import time
import unittest

from peer import Case, Server, read_answer, seconds_until_closed

GRACE_S = 2
CUT_S = GRACE_S + 3  # the sweep comes once a second, the machine may be busy
LIMIT_S = 20
HEAD = b"POST /e HTTP/1.1\r\nHost: a\r\n"


def trickle(peer, pieces, pause_s):
    """Sends until the server hangs up; how long that took."""
    start = time.monotonic()
    try:
        for piece in pieces:
            peer.sendall(piece)
            time.sleep(pause_s)
            if time.monotonic() - start > LIMIT_S:
                break
    except OSError:
        pass
    return time.monotonic() - start


class Slow(Case):
    limits = {"grace_ms": GRACE_S * 1000, "idle_ms": 3000}

    def together(self, *actions):
        """Runs each in a thread of its own, as all of them wait."""
        took = {}

        def run(name, action):
            took[name] = action()

        threads = [threading.Thread(target=run, args=pair) for pair in actions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return took

    def silent_tcp(self):
        with socket.create_connection(self.server.address) as peer:
            return seconds_until_closed(peer, LIMIT_S)

    def half_hello(self):
        with socket.create_connection(self.server.address) as peer:
            peer.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
            return seconds_until_closed(peer, LIMIT_S)

    def silent_tls(self):
        with self.server.connect() as peer:
            return seconds_until_closed(peer, LIMIT_S)

    def header_stall(self):
        with self.server.connect() as peer:
            peer.sendall(HEAD)
            return seconds_until_closed(peer, LIMIT_S)

    def body_stall(self):
        with self.server.connect() as peer:
            peer.sendall(HEAD + b"Content-Length: 100\r\n\r\nabc")
            return seconds_until_closed(peer, LIMIT_S)

    def header_trickle(self):
        with self.server.connect() as peer:
            return trickle(peer, [HEAD] + [b"X: y\r\n"] * 200, 0.2)

    def body_trickle(self):
        with self.server.connect() as peer:
            return trickle(peer, [HEAD + b"Content-Length: 1000\r\n\r\n"] + [b"z"] * 200, 0.2)

    def test_stalled_and_trickling_clients_are_cut(self):
        kinds = [self.silent_tcp, self.half_hello, self.silent_tls, self.header_stall, self.body_stall,
                 self.header_trickle, self.body_trickle]
        took = self.together(*((kind.__name__, kind) for kind in kinds))
        for name, seconds in took.items():
            with self.subTest(name):
                self.assertGreater(seconds, GRACE_S * 0.5)
                self.assertLess(seconds, CUT_S)
        self.assertEqual(self.server.stats()["cut_slow"], len(kinds))

    def test_a_client_that_never_reads_is_cut(self):
        with self.server.connect() as peer:
            peer.sendall(b"GET /big?200000000 HTTP/1.1\r\nHost: a\r\n\r\n")
            self.server.wait_for("cut_slow", 1)

    def test_an_idle_connection_is_closed_after_its_own_time(self):
        with self.server.connect() as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            read_answer(peer)
            seconds = seconds_until_closed(peer, LIMIT_S)
        self.assertGreater(seconds, 2.5)
        self.assertLess(seconds, 6)

    def test_a_slow_but_steady_body_is_taken(self):
        """40 KiB/s for twice the grace: more than the slowest rate allowed."""
        body = b"x" * 160000
        with self.server.connect() as peer:
            peer.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
            for at in range(0, len(body), 8000):
                peer.sendall(body[at:at + 8000])
                time.sleep(0.2)
            self.assertEqual(read_answer(peer).json()["bytes"], len(body))

    def test_a_slow_but_steady_reader_gets_everything(self):
        """About 300 KiB/s of more than what the kernel's buffers take, for twice the grace."""
        with self.server.connect() as peer:
            peer.sendall(b"GET /big?12000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            got = 0
            end = time.monotonic() + 2.5 * GRACE_S
            while chunk := peer.recv(16384):
                got += len(chunk)
                if time.monotonic() < end:
                    time.sleep(0.05)
            self.assertGreater(got, 12000000)

    def test_a_held_request_outlives_every_limit(self):
        with self.server.connect() as peer:
            peer.sendall(b"POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            time.sleep(CUT_S)
            self.server.ask("/release", "POST")
            self.assertEqual(read_answer(peer).json(), {"held": True})


if __name__ == "__main__":
    unittest.main()
