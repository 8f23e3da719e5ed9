"""Clients that leave while their request is held are noticed at once and leave nothing behind (with
sanitizers the server's end tells of leaks); the same for ones still held when it ends."""

import contextlib
import socket
import ssl
import unittest

from peer import Case

HOLD = b"POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"


class Gone(Case):
    def hold(self, count):
        peers = []
        for _ in range(count):
            peer = self.server.connect()
            peer.sendall(HOLD)
            peers.append(peer)
        return peers

    def test_vanished_clients_are_noticed_while_held(self):
        peers = self.hold(60)
        self.server.wait_for("held", 60)
        for i, peer in enumerate(peers):
            if i % 3 == 0:
                with contextlib.suppress(ssl.SSLError):  # the server only closes in turn
                    peer.unwrap()  # sends close_notify
            elif i % 3 == 1:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset
            peer.close()
        self.server.wait_for("gone", 60)
        stats = self.server.stats()
        self.assertEqual((stats["held"], stats["calls"], stats["connections"]), (0, 1, 1))

    def test_half_of_them_leave_and_the_rest_is_answered(self):
        peers = self.hold(20)
        self.server.wait_for("held", 20)
        for peer in peers[::2]:
            peer.close()
        self.server.wait_for("held", 10)
        self.server.ask("/release", "POST")
        for peer in peers[1::2]:
            self.assertIn(b"held", peer.recv(4096))
            peer.close()

    def test_held_requests_at_the_end_are_freed(self):
        peers = self.hold(30)
        self.server.wait_for("held", 30)
        self.addCleanup(lambda: [peer.close() for peer in peers])

    def test_a_client_that_leaves_in_mid_answer_is_freed(self):
        for _ in range(10):
            peer = self.server.connect()
            peer.sendall(b"GET /big?10000000 HTTP/1.1\r\nHost: a\r\n\r\n")
            peer.recv(1000)
            peer.close()
        self.server.wait_for("connections", 1)
        self.assertEqual(self.server.stats()["buffered_bytes"] < 4096, True)

    def test_a_client_that_leaves_in_mid_request_is_freed(self):
        for data in (b"", b"POST /e HT", HOLD[:40], b"POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"):
            peer = self.server.connect()
            peer.sendall(data)
            peer.close()
        self.server.wait_for("connections", 1)


if __name__ == "__main__":
    unittest.main()
