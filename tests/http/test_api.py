"""The API of a real makespand: refusals with their status and code, encodings, sizes, the agent's program."""

import gzip
import hashlib
import json
import pathlib
import re
import time
import unittest

from peer import PATIENCE_S
from program import Makespand

OPENAPI = pathlib.Path(__file__).parents[2] / "docs" / "openapi.yaml"
JOIN = {"project": "p", "suite": "s", "run_key": "k", "instance": "i", "nonce": "n" * 26, "fingerprint": "f",
        "command": "c", "version": "0.1.0", "workers": 1}


def operations():
    """(method, path) of docs/openapi.yaml, by its layout."""
    path = None
    for line in OPENAPI.read_text().splitlines():
        if match := re.fullmatch(r"  (/\S*):", line):
            path = match[1]
        elif match := re.fullmatch(r"    (get|put|post|delete):", line):
            yield match[1].upper(), path


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Makespand("--agent-dir", pathlib.Path(__file__).parent / "agent")

    @classmethod
    def tearDownClass(cls):
        if cls.server.stop():
            raise AssertionError("makespand did not end well")

    def assert_problem(self, answer, status, code):
        self.assertEqual(answer.status, status, answer.content)
        self.assertEqual(answer.getheader("Content-Type"), "application/problem+json")
        problem = json.loads(answer.content)
        self.assertEqual((problem["code"], problem["status"]), (code, status), problem)
        self.assertTrue(problem["detail"])

    def test_every_described_path_is_served(self):
        for method, pattern in operations():
            with self.subTest(f"{method} {pattern}"):
                path = re.sub(r"\{\w+\}", "0", pattern)
                answer = self.server.ask(method, path, b"" if method in ("PUT", "POST") else None)
                if answer.status in (404, 405):
                    self.assertNotIn(json.loads(answer.content)["detail"][:12], ("no such path", "this path ta"))

    def test_every_path_that_needs_a_token_refuses_without_one(self):
        for method, pattern in operations():
            if not pattern.startswith("/v1/"):
                continue
            with self.subTest(f"{method} {pattern}"):
                path = re.sub(r"\{\w+\}", "0", pattern)
                body = b"{}" if method in ("PUT", "POST") else None
                answer = self.server.ask(method, path, body, token=None)
                self.assert_problem(answer, 401, "token-refused")
                self.assertTrue(answer.getheader("WWW-Authenticate").startswith("Bearer"))

    def test_tokens_that_are_none_are_refused(self):
        for token in ("x", "msp_" + "0" * 52, "msp_" + "0" * 300, "mss_" + "0" * 52):
            self.assert_problem(self.server.ask("GET", "/v1/runs", token=token), 401, "token-refused")
        for header in ("Basic eDp4", "Bearer", "Bearer  ", ""):
            answer = self.server.ask("GET", "/v1/runs", token=None, Authorization=header)
            self.assert_problem(answer, 401, "token-refused")

    def test_unknown_paths_and_methods(self):
        self.assert_problem(self.server.ask("GET", "/v2/runs"), 404, "not-found")
        self.assert_problem(self.server.ask("GET", "/"), 404, "not-found")
        for method in ("DELETE", "PATCH", "OPTIONS", "PUT"):
            answer = self.server.ask(method, "/v1/runs")
            self.assert_problem(answer, 405, "method-not-allowed")
            self.assertEqual(answer.getheader("Allow"), "GET, HEAD")

    def test_an_unknown_run(self):
        self.assert_problem(self.server.ask("GET", "/v1/runs/nothing"), 404, "run-unknown")
        self.assert_problem(self.server.ask("GET", "/v1/runs/" + "x" * 4000), 404, "run-unknown")
        self.assert_problem(self.server.ask("GET", "/v1/runs/%00"), 400, "invalid")
        self.assert_problem(self.server.ask("GET", "/v1/runs/%ff"), 400, "invalid")

    def test_queries_have_ranges(self):
        run = self.server.join("query")["run"]
        for query in ("wait_ms=30001", "wait_ms=-1", "wait_ms=1&wait_ms=2"):
            self.assert_problem(self.server.ask("GET", f"/v1/runs/{run}/verdict?{query}"), 400, "invalid")
        self.assert_problem(self.server.ask("GET", f"/v1/runs/{run}/report?format=xml"), 400, "invalid")

    def test_bodies_of_another_kind(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
            answer = self.server.ask("POST", "/v1/join", JOIN, Content_Type=kind)
            self.assert_problem(answer, 415, "invalid")
        self.assert_problem(self.server.ask("POST", "/v1/join", JOIN, Content_Encoding="br"), 415, "invalid")
        answer = self.server.ask("POST", "/v1/join", JOIN | {"run_key": "charset"},
                                 Content_Type="application/json; charset=utf-8")
        self.assertEqual(answer.status, 200)

    def test_malformed_bodies(self):
        for body in (b"", b"{", b"[]", b'{"a":1,"a":2}', b"\xff", b"null", b'"x"', b"[" * 5000):
            with self.subTest(body[:10]):
                answer = self.server.ask("POST", "/v1/join", body)
                self.assertEqual(answer.status, 400)
                self.assertIn(json.loads(answer.content)["code"], ("malformed", "invalid"))
        answer = self.server.ask("POST", "/v1/join", JOIN | {"workers": 0})
        self.assert_problem(answer, 400, "invalid")
        self.assertIn("workers", json.loads(answer.content)["detail"])

    def test_gzip_bodies(self):
        body = gzip.compress(json.dumps(JOIN | {"run_key": "gzip"}).encode())
        self.assertEqual(self.server.ask("POST", "/v1/join", body, Content_Encoding="gzip").status, 200)
        for broken in (b"no gzip", body[:-4], body + b"x"):
            answer = self.server.ask("POST", "/v1/join", broken, Content_Encoding="gzip")
            self.assertEqual(answer.status, 400)

    def test_a_gzip_bomb_is_refused_and_costs_no_memory(self):
        bomb = gzip.compress(b" " * (256 << 20), 1)
        self.assertLess(len(bomb), 2 << 20)
        before = self.peak_kib()
        self.assert_problem(self.server.ask("POST", "/v1/join", bomb, Content_Encoding="gzip"), 413, "too-large")
        self.assertLess(self.peak_kib() - before, 200 << 10)  # under what it unpacks to

    def peak_kib(self):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1])

    def test_large_bodies_leave_the_loop_free(self):
        """8 MiB of JSON are parsed while other requests are answered."""
        run = self.server.join("large")
        refs = ",".join(f'["{"t" * 500}{i}",0]' for i in range(15000))
        body = ('{"session":"%s","request":1,"released":[%s]}' % (run["session"], refs)).encode()
        self.assertGreater(len(body), 7 << 20)
        connection = self.server.send("POST", f"/v1/runs/{run['run']}/results", body, run["session_token"])
        slowest = 0
        for _ in range(20):
            start = time.monotonic()
            self.assertEqual(self.server.ask("GET", "/healthz").status, 200)
            slowest = max(slowest, time.monotonic() - start)
        self.assertIn(connection.getresponse().status, (200, 400, 409))
        connection.close()
        self.assertLess(slowest, 5)

    def test_clients_that_leave_behind_a_large_body_leave_nothing(self):
        """Their bodies are with the other thread when they go; the end of the server tells of leaks."""
        run = self.server.join("leavers")
        refs = ",".join(f'["{"t" * 500}{i}",0]' for i in range(4000))
        body = ('{"session":"%s","request":1,"released":[%s]}' % (run["session"], refs)).encode()
        for path in (f"/v1/runs/{run['run']}/results", "/v1/join"):
            for _ in range(5):
                self.server.send("POST", path, body, run["session_token"]).close()
        self.assertEqual(self.server.ask("GET", "/healthz").status, 200)

    def test_the_size_of_a_body(self):
        limit = 8 << 20
        self.assertEqual(self.server.ask("POST", "/v1/join", b" " * limit).status, 400)
        answer = self.server.ask("POST", "/v1/join", b" " * (limit + 1))
        self.assert_problem(answer, 413, "too-large")

    def test_the_agent_is_handed_out_with_its_digest(self):
        program = (pathlib.Path(__file__).parent / "agent" / "makespan").read_bytes()
        digest = hashlib.sha256(program).hexdigest()
        answer = self.server.ask("GET", "/agent/linux-x86_64", token=None)
        self.assertEqual((answer.status, answer.content), (200, program))
        self.assertEqual(answer.getheader("X-Makespan-Sha256"), digest)
        again = self.server.ask("GET", "/agent/linux-x86_64", token=None, If_None_Match=answer.getheader("ETag"))
        self.assertEqual((again.status, again.content), (304, b""))
        head = self.server.ask("HEAD", "/agent/linux-x86_64", token=None)
        self.assertEqual((head.status, head.content), (200, b""))
        self.assertEqual(head.getheader("Content-Length"), str(len(program)))
        line = self.server.ask("GET", "/agent/linux-x86_64.sha256", token=None)
        self.assertEqual(line.content.decode(), f"{digest}  makespan\n")

    def test_a_held_request_is_answered_or_forgotten(self):
        run = self.server.join("held")
        path = f"/v1/runs/{run['run']}/verdict?wait_ms=30000"
        for _ in range(20):
            self.server.send("GET", path).close()
        start = time.monotonic()
        connection = self.server.send("GET", path)
        self.server.ask("POST", f"/v1/runs/{run['run']}/close", b"")
        answer = json.loads(connection.getresponse().read())
        connection.close()
        self.assertTrue(answer["final"])
        self.assertLess(time.monotonic() - start, PATIENCE_S)

    def test_durations_come_back_as_they_went(self):
        path = "/v1/projects/a%2Fb/suites/unit/durations"
        stored = {"tests/a.py::test_x": 0.25, "tests/a.py::test_ä[1/2]": 1.5}
        self.assertEqual(self.server.ask("PUT", path, stored).status, 200)
        answer = self.server.ask("GET", path)
        self.assertEqual(json.loads(answer.content), stored)
        self.assertEqual(self.server.ask("PUT", path, [["tests/a.py::test_x", 0.5]]).status, 200)
        self.assert_problem(self.server.ask("PUT", path, {"x": "y"}), 400, "invalid")


if __name__ == "__main__":
    unittest.main()
