"""The program: first start and later ones, exit codes, tokens, signals."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

from peer import PATIENCE_S
from program import MAKESPAND, Makespand, environ, run

USAGE, IN_USE, CREATE, STORE, CONFIG = 64, 69, 73, 74, 78


class Program(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="msp-program-")
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, *words, **extra):
        server = Makespand(*words, folder=self.folder, **extra)
        self.addCleanup(self.end, server)
        return server

    def end(self, server):
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        server.process.stdout.close()

    def refused(self, status, *words, **kwargs):
        """Ends with the status and one sentence, which is returned."""
        done = run(*words, **kwargs)
        self.assertEqual(done.returncode, status, done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.startswith("makespand: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]

    def test_the_printed_lines_are_enough(self):
        server = self.start()
        done = subprocess.run(
            ["curl", "-sSk", "--pinnedpubkey", server.exports["MAKESPAN_CA"], "-H",
             f"Authorization: Bearer {server.token}", f"{server.url}/v1/runs"], capture_output=True, check=True)
        self.assertEqual(json.loads(done.stdout), {"runs": []})
        wrong = subprocess.run(["curl", "-sSk", "--pinnedpubkey", "sha256//" + "A" * 43 + "=",
                                f"{server.url}/healthz"], capture_output=True, check=False)
        self.assertEqual(wrong.returncode, 90)

    def test_a_later_start_keeps_pin_and_tokens_and_shows_no_secret(self):
        first = self.start()
        pin, token = first.exports["MAKESPAN_CA"], first.token
        self.assertEqual(first.stop(keep=True), 0)
        again = self.start()
        self.assertEqual(again.exports["MAKESPAN_CA"], pin)
        self.assertIn("makespand token create", again.exports["MAKESPAN_TOKEN"])
        self.assertEqual(again.ask("GET", "/v1/runs", token=token).status, 200)

    def test_secrets_are_private_and_not_kept(self):
        server = self.start()
        data = pathlib.Path(self.folder, "data")
        self.assertEqual(stat.S_IMODE(data.stat().st_mode), 0o700)
        for path in data.iterdir():
            self.assertNotIn(server.token.encode(), path.read_bytes(), path)
            if path.suffix == ".key" or "makespan.db" in path.name:
                self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, path)
        self.assertNotIn(server.token, server.log_path.read_text())

    def test_tokens_are_made_listed_and_revoked_while_it_serves(self):
        server = self.start()
        words = ["--data", f"{self.folder}/data"]
        token = run("token", "create", "--project", "web", "--role", "read", "--label", "ci", *words).stdout.strip()
        self.assertEqual(server.ask("GET", "/v1/runs", token=token).status, 200)
        listed = run("token", "list", *words).stdout
        self.assertNotIn(token, listed)
        row = next(line for line in listed.splitlines() if " web " in line)
        self.assertIn("read", row)
        self.assertEqual(run("token", "revoke", row.split()[0], *words).returncode, 0)
        self.assertEqual(server.ask("GET", "/v1/runs", token=token).status, 401)
        self.assertIn("0 tokens", self.refused(USAGE, "token", "revoke", "00000000", *words))
        self.refused(USAGE, "token", "create", "--role", "king", *words)

    def test_a_token_can_be_made_before_the_first_start(self):
        token = run("token", "create", "--data", f"{self.folder}/data").stdout.strip()
        server = self.start()
        self.assertIn("makespand token create", server.exports["MAKESPAN_TOKEN"])
        self.assertEqual(server.ask("GET", "/v1/runs", token=token).status, 200)

    def test_what_makes_no_sense_is_usage(self):
        words = ["--data", f"{self.folder}/data"]
        for bad in (["frob"], ["--listen", "nonsense", *words], ["--listen", "::1:80", *words],
                    ["--listen", "127.0.0.1:99999", *words], ["--name", "a b", *words], ["--store", "mysql://x", *words],
                    ["--max-connections", "0"], ["--log-format", "xml"]):
            with self.subTest(bad):
                self.refused(USAGE, *bad)

    def test_a_used_port_is_said(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            said = self.refused(IN_USE, "--data", f"{self.folder}/data", "--listen", f"127.0.0.1:{port}")
        self.assertIn(str(port), said)
        self.assertIn("msp_", self.start().token, "the first token is made by a start that can show it")

    def test_two_on_one_folder_are_refused(self):
        self.start()
        said = self.refused(IN_USE, "--data", f"{self.folder}/data", "--listen", "127.0.0.1:0")
        self.assertIn("another makespand", said)

    def test_an_unwritable_folder_is_said(self):
        file = pathlib.Path(self.folder, "file")
        file.write_text("")
        self.refused(CREATE, "--data", file / "data")
        self.refused(CREATE, "--data", "/proc/nothing")

    def test_a_damaged_store_or_key_is_said(self):
        data = pathlib.Path(self.folder, "data")
        data.mkdir()
        (data / "makespan.db").write_bytes(b"no database at all" * 100)
        self.assertIn("makespan.db", self.refused(STORE, "--data", data, "--listen", "127.0.0.1:0"))
        (data / "makespan.db").unlink()
        (data / "server.key").write_text("no key")
        self.assertIn("server.key", self.refused(CONFIG, "--data", data, "--listen", "127.0.0.1:0"))

    def test_term_answers_who_waits_and_ends_with_0(self):
        server = self.start()
        run_id = server.join("held")["run"]
        waiting = [server.send("GET", f"/v1/runs/{run_id}/verdict?wait_ms=30000") for _ in range(5)]
        self.wait_until_held(server, run_id)
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        for connection in waiting:
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200)
            self.assertFalse(json.loads(answer.read())["final"])
            connection.close()
        self.assertEqual(server.process.wait(PATIENCE_S), 0)
        self.assertLess(time.monotonic() - start, 9)

    def wait_until_held(self, server, run_id):
        """A request that is answered was read after those sent before it on this machine's loopback; each of
        them needs a turn of its own, so ask a few times."""
        for _ in range(10):
            server.ask("GET", f"/v1/runs/{run_id}")

    def test_a_second_term_ends_at_once(self):
        server = self.start()
        with contextlib.closing(server.connection()) as connection:
            # An answer that nobody reads keeps the first TERM waiting.
            connection.connect()
            server.process.send_signal(signal.SIGTERM)
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(PATIENCE_S), 0)

    def test_a_run_outlives_kill_9(self):
        server = self.start()
        run_id = server.join("kept")["run"]
        self.assertEqual(server.stop(signal.SIGKILL, keep=True), -signal.SIGKILL)
        again = self.start()
        self.assertEqual(again.ask("GET", f"/v1/runs/{run_id}", token=server.token).status, 200)

    def test_ready_fd_gets_the_address(self):
        read_fd, write_fd = os.pipe()
        process = subprocess.Popen(
            [str(MAKESPAND), "--data", f"{self.folder}/data", "--listen", "127.0.0.1:0", "--ready-fd", str(write_fd)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=[write_fd], env=environ())
        os.close(write_fd)
        with open(read_fd) as pipe:
            self.assertRegex(pipe.read(), r"^makespand: listening on https://127\.0\.0\.1:\d+\n$")
        process.terminate()
        self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_every_address_is_the_default(self):
        """[::] takes IPv4 as well, and is 0.0.0.0 where there is no IPv6."""
        server = self.start("--listen", "[::]:0")
        address = re.findall(r"listening address=(\S+)", server.log_path.read_text())[1]
        port = int(address.rsplit(":", 1)[1])
        self.assertIn(address.rsplit(":", 1)[0], ("[::]", "0.0.0.0"))
        socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()

    def test_help_lists_every_exit_code(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        for code in (0, USAGE, IN_USE, 70, CREATE, STORE, CONFIG):
            self.assertRegex(done.stdout, rf"(?m)^  {code} ")


if __name__ == "__main__":
    unittest.main()
