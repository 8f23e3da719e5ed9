"""Limits on size and number: a clear refusal, and room again afterwards."""

import contextlib
import socket
import subprocess
import unittest

from peer import Answer, Case, read_answer

POST = b"POST /e HTTP/1.1\r\nHost: a\r\n"


class Sizes(Case):
    limits = {"body_bytes": 1 << 20}

    def test_a_body_at_the_limit_is_taken(self):
        self.assertEqual(self.server.ask("/e", "POST", b"x" * (1 << 20)).json()["bytes"], 1 << 20)

    def test_a_declared_body_over_the_limit_is_refused_before_it_comes(self):
        answer = Answer(self.server.exchange(POST + b"Content-Length: 1048577\r\n\r\n"))
        self.assert_problem(answer, 413, "too-large")

    def test_a_chunked_body_over_the_limit_is_refused(self):
        chunk = b"80000\r\n" + b"x" * 0x80000 + b"\r\n"
        answer = Answer(self.server.exchange(
            POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 2 + b"1\r\n"))
        self.assert_problem(answer, 413, "too-large")

    def test_curl_understands_the_refusal(self):
        host, port = self.server.address
        for extra in ([], ["-H", "Expect:"], ["-H", "Transfer-Encoding: chunked"]):
            with self.subTest(extra):
                done = subprocess.run(
                    ["curl", "-sS", "--cacert", f"{self.server.folder}/ca.pem", "-o", "-", "-w",
                     "%{http_code}", "--data-binary", "@-", *extra, f"https://{host}:{port}/e"],
                    input=b"x" * (12 << 20), capture_output=True, check=False)
                self.assertIn(b"too-large", done.stdout, done.stderr)
                self.assertTrue(done.stdout.endswith(b"413"), done.stdout)

    def test_headers_over_the_limit_are_refused(self):
        for request in (b"GET /" + b"u" * 60000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
                        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"h" * 100000 + b"\r\n\r\n",
                        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: h\r\n" * 10000 + b"\r\n"):
            answer = Answer(self.server.exchange(request))
            self.assert_problem(answer, 400, "malformed")

    def test_bytes_behind_a_held_request_do_not_fill_memory(self):
        """Only 64 KiB and what the kernel holds are taken; the sender is stopped."""
        with self.server.connect() as peer:
            peer.sendall(b"POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            self.server.wait_for("held", 1)
            peer.settimeout(0.5)
            sent = 0
            with self.assertRaises(TimeoutError):
                while sent < 64 << 20:
                    sent += peer.send(b"x" * 65536)
            self.assertLess(self.server.stats()["buffered_bytes"], 1 << 20)


class Memory(Case):
    limits = {"buffered_bytes": 2 << 20}

    def test_large_requests_over_the_memory_for_all_are_cut(self):
        """Small ones go on: an agent's beat is not the price of somebody's upload."""
        half = POST + b"Content-Length: 900000\r\n\r\n" + b"x" * 800000
        peers = [self.server.connect() for _ in range(3)]
        for count, peer in enumerate(peers[:2], 1):
            peer.sendall(half)
            self.server.wait_until(lambda stats, least=count * 800000: stats["buffered_bytes"] > least)
        with contextlib.suppress(OSError):
            peers[2].sendall(half)
        self.server.wait_for("cut_memory", 1)
        self.assertEqual(self.server.ask("/small", "POST", b"x" * 1000).status, 200)
        for peer in peers[:2]:
            peer.sendall(b"x" * 100000)
            self.assertEqual(read_answer(peer).json()["bytes"], 900000)
        for peer in peers:
            peer.close()
        self.server.wait_for("connections", 1)
        self.assertLess(self.server.stats()["buffered_bytes"], 4096)


class Connections(Case):
    limits = {"connections": 20}

    def test_clients_over_the_cap_wait_and_get_in_later(self):
        inside = [self.server.connect() for _ in range(20)]
        outside = [socket.create_connection(self.server.address, 5) for _ in range(10)]
        for _ in range(3):
            inside[0].sendall(b"GET /stats HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(read_answer(inside[0]).json()["connections"], 20)
        for peer in outside:
            peer.close()
        for peer in inside[1:5]:
            peer.close()
        self.assertEqual(self.server.ask("/later").status, 200)
        for peer in inside:
            peer.close()
        self.server.wait_for("connections", 1)


class Descriptors(Case):
    limits = {"files": 40}

    def test_running_out_of_descriptors_is_survived(self):
        raw = []
        for _ in range(60):
            peer = socket.create_connection(self.server.address, 5)
            raw.append(peer)
        for peer in raw:
            peer.close()
        self.server.wait_for("connections", 1)
        self.assertIn("accept_failed", self.server.log())


if __name__ == "__main__":
    unittest.main()
