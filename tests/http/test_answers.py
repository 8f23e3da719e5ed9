"""What a well-behaved client may do: keep alive, pipeline, HTTP/1.0, Expect, HEAD, odd methods; and how a
connection ends."""

import statistics
import subprocess
import time
import unittest

from peer import Answer, Case, read_answer

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def paths(said):
    return [part.split(b'"')[0].decode() for part in said.split(b'"path":"')[1:]]


class Answers(Case):
    def test_pipelined_requests_are_answered_in_order(self):
        said = self.server.exchange(b"".join(GET % i for i in range(10)) + LAST)
        self.assertEqual(paths(said), [f"/{i}" for i in range(10)] + ["/last"])

    def test_pipelined_bodies_are_not_mixed(self):
        said = self.server.exchange(b"".join(POST % (i, i, b"x" * i) for i in range(1, 6)) + LAST)
        self.assertEqual(paths(said), [f"/{i}" for i in range(1, 6)] + ["/last"])
        for i in range(1, 6):
            self.assertIn(b'"/%d","bytes":%d}' % (i, i), said)

    def test_a_request_behind_a_held_one_waits_its_turn(self):
        hold = b"POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        with self.server.connect() as peer:
            peer.sendall(POST % (1, 1, b"x") + hold + GET % 2)
            self.assertEqual(read_answer(peer).json()["path"], "/1")
            self.server.wait_for("held", 1)
            self.server.ask("/release", "POST")
            held = read_answer(peer)
            self.assertEqual(held.json(), {"held": True})
            after = Answer(held.rest) if held.rest else read_answer(peer)
            self.assertEqual(after.json()["path"], "/2")

    def test_bytes_sent_while_a_request_is_held_do_not_end_the_server(self):
        """evhttp itself takes them for a bug and calls exit."""
        hold = b"POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        with self.server.connect() as peer:
            peer.sendall(hold)
            self.server.wait_for("held", 1)
            for i in range(5):
                peer.sendall(GET % i)
                self.server.stats()
            self.server.ask("/release", "POST")
            self.assertEqual(read_answer(peer).json(), {"held": True})

    def test_http_1_0_ends_unless_kept_alive(self):
        answer = Answer(self.server.exchange(b"GET /old HTTP/1.0\r\n\r\n"))
        self.assertEqual((answer.status, answer.json()["path"]), (200, "/old"))
        self.assertEqual(answer.headers["content-length"], str(len(answer.body)))
        with self.server.connect() as peer:
            peer.sendall(b"GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            self.assertEqual(read_answer(peer).headers["connection"], "keep-alive")
            peer.sendall(b"GET /2 HTTP/1.0\r\n\r\n")
            self.assertEqual(read_answer(peer).json()["path"], "/2")

    def test_head_has_the_length_and_no_body(self):
        said = self.server.exchange(
            b"HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = Answer(said)
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertGreater(int(answer.headers["content-length"]), 0)

    def test_an_unknown_method_is_a_json_error(self):
        answer = Answer(self.server.exchange(b"BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n"))
        self.assert_problem(answer, answer.status, answer.json()["code"])
        self.assertIn(answer.status, (400, 501))

    def test_expect_100_is_told_to_go_on(self):
        with self.server.connect() as peer:
            peer.sendall(b"POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                         b"Expect: 100-continue\r\n\r\n")
            self.assertEqual(peer.recv(4096), b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.sendall(b"hello")
            self.assertEqual(read_answer(peer).json()["bytes"], 5)

    def test_expect_with_the_body_behind_it_gets_its_answer(self):
        """The body comes at once or while the 100 is on its way: the answer must leave either way."""
        for gap_s in (0, 0.0005, 0.001, 0.002):
            for _ in range(10):
                with self.server.connect() as peer:
                    peer.sendall(b"POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                                 b"Expect: 100-continue\r\n\r\n")
                    time.sleep(gap_s)
                    peer.sendall(b"hello")
                    answer = read_answer(peer)
                    while answer.status == 100:
                        answer = Answer(answer.body or answer.rest) if answer.rest else read_answer(peer)
                    self.assertEqual(answer.json()["bytes"], 5)

    def test_another_expect_is_refused(self):
        answer = Answer(self.server.exchange(
            b"POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: miracles\r\n\r\nhello"))
        self.assertEqual(answer.status, 417)

    def test_the_end_is_announced_to_tls(self):
        """peer.exchange fails on an end without close_notify; here the strictest client as well."""
        for request in (LAST, b"GET / HTTP/1.0\r\n\r\n", b"nonsense\r\n\r\n"):
            self.server.exchange(request)
        host, port = self.server.address
        done = subprocess.run(
            ["curl", "-sS", "--http1.0", "--cacert", f"{self.server.folder}/ca.pem",
             f"https://{host}:{port}/curl"], capture_output=True, check=True)
        self.assertIn(b"/curl", done.stdout)
        self.assertEqual(done.stderr, b"")

    def test_small_answers_do_not_wait_for_an_acknowledgement(self):
        """Two writes an answer and Nagle's rule cost 40 ms each."""
        times = []
        with self.server.connect() as peer:
            for i in range(40):
                start = time.monotonic()
                peer.sendall(POST % (i, 3, b"abc"))
                read_answer(peer)
                times.append(time.monotonic() - start)
        self.assertLess(statistics.median(times), 0.03)

    def test_a_large_answer_arrives_whole(self):
        answer = self.server.ask("/big?20000000")
        self.assertEqual(len(answer.body), 20000000)


if __name__ == "__main__":
    unittest.main()
