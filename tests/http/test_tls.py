"""The TLS side: versions, renegotiation, certificate, reload."""

import pathlib
import signal
import socket
import ssl
import subprocess
import time
import unittest

from peer import PATIENCE_S, Case, Server, read_answer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def serial(peer):
    return peer.getpeercert()["serialNumber"]


class Tls(Case):
    def openssl(self, *words, data=b""):
        host, port = self.server.address
        return subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", *words], input=data,
                              capture_output=True, check=False, timeout=20)

    def test_versions_before_1_2_are_refused(self):
        for word in ("-tls1", "-tls1_1"):
            done = self.openssl(word, "-cipher", "ALL@SECLEVEL=0")
            self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.openssl("-tls1_2", "-CAfile", f"{self.server.folder}/ca.pem",
                                      "-verify_return_error").returncode, 0)
        self.assertEqual(self.openssl("-tls1_3", "-CAfile", f"{self.server.folder}/ca.pem",
                                      "-verify_return_error").returncode, 0)

    def test_renegotiation_is_refused(self):
        done = self.openssl("-tls1_2", data=b"R\n")
        self.assertNotIn(b"RENEGOTIATING\ndepth", done.stdout + done.stderr)
        self.assertTrue(b"no renegotiation" in done.stderr or done.returncode != 0, done.stderr)

    def test_plain_http_gets_no_answer(self):
        with socket.create_connection(self.server.address, 20) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                said = peer.recv(4096)
            except ConnectionError:
                said = b""
            self.assertNotIn(b"HTTP", said)

    def test_an_unknown_name_is_not_in_the_certificate(self):
        with socket.create_connection(self.server.address, 20) as raw, \
                self.assertRaises(ssl.SSLCertVerificationError):
            self.server.context().wrap_socket(raw, server_hostname="elsewhere.example")

    def test_reload_gives_new_clients_the_new_certificate_and_old_ones_keep_theirs(self):
        old = self.server.connect()
        before = serial(old)
        other = Server()  # makes a certificate of its own, which becomes the first server's
        mine, others = pathlib.Path(self.server.folder), pathlib.Path(other.folder)
        for name in ("server.key", "server.pem", "ca.pem"):
            (mine / name).write_bytes((others / name).read_bytes())
        self.assertEqual(other.stop(), 0)
        self.server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + PATIENCE_S
        while (new := self.serial_of_a_new_client()) is None and time.monotonic() < end:
            time.sleep(0.01)
        self.assertNotEqual(new, before)
        old.sendall(GET)
        self.assertEqual(read_answer(old).status, 200)
        old.close()

    def serial_of_a_new_client(self):
        """None as long as the certificate does not fit the new CA."""
        try:
            with self.server.connect() as peer:
                return serial(peer)
        except ssl.SSLCertVerificationError:
            return None


if __name__ == "__main__":
    unittest.main()
