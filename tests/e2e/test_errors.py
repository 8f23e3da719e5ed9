"""What goes wrong outside of the tests: one clear sentence each, the documented exit code, and
nothing lost."""

import gzip
import json
import os
import signal
import subprocess
import time
import unittest

import harness

TESTS = 20


class AgentErrorTest(harness.TestCase):
    """What an agent says and exits with."""

    def setUp(self):
        super().setUp()
        self.plain = self.suite({"test_plain.py": "def test_plain(): pass\n"}, "plain")

    def assert_sentence(self, process, pattern):
        """The last line of our own says it; no trace."""
        lines = [line for line in process.lines if line.startswith("makespan:")]
        self.assertRegex(lines[-1] if lines else "", pattern, process.output)
        self.assertNotIn("Traceback", process.output)

    def test_a_coordinator_that_lost_its_store(self):
        gate = self.gate()
        coordinator = self.coordinator()
        agent = self.agent(self.pytest(self.gated_suite(gate, 1, "gated")), coordinator)
        gate.reached("go")
        coordinator.kill9()
        for file in coordinator.data.glob("makespan.db*"):
            file.unlink()
        self.restart(coordinator)
        gate.open("go")
        self.assertEqual(agent.wait(), harness.REFUSED, agent.output)
        self.assert_sentence(agent, r"no run \w{26} is known here: it is another coordinator's, or was removed")

    def test_a_first_token_that_nobody_saw_is_not_kept(self):
        data = self.folder / "unseen"
        command = [str(harness.MAKESPAND), "--data", str(data), "--listen", "127.0.0.1:0"]
        for closed in (">&-", ">/dev/full"):
            done = subprocess.run(["sh", "-c", 'exec "$@" ' + closed, "sh", *command], env=harness.clean_environ(),
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=harness.PATIENCE_S)
            self.assertEqual(done.returncode, 73, done.stderr)
            self.assertIn("the first token could not be shown, so it was not kept", done.stderr)
            listed = subprocess.run([harness.MAKESPAND, "token", "list", "--data", data], capture_output=True, text=True,
                                    env=harness.clean_environ(), timeout=harness.PATIENCE_S)
            self.assertEqual((listed.returncode, len(listed.stdout.splitlines())), (0, 1), listed.stdout)

    def test_wrong_token(self):
        coordinator = self.coordinator()
        agent = self.agent(self.pytest(self.plain), coordinator, MAKESPAN_TOKEN="mspt_wrong")
        self.assertEqual(agent.wait(), harness.REFUSED, agent.output)
        self.assert_sentence(agent, r"token")

    def test_wrong_certificate_pin(self):
        coordinator = self.coordinator()
        agent = self.agent(self.pytest(self.plain), coordinator, MAKESPAN_CA="sha256//" + "A" * 43 + "=",
                           options=["--patience", "2s"])
        self.assertEqual(agent.wait(), harness.UNREACHABLE, agent.output)
        self.assert_sentence(agent, r"MAKESPAN_CA is another coordinator's: set it to what this one prints")

    def test_authority_of_another_coordinator(self):
        agent = self.agent(self.pytest(self.plain), self.coordinator(), options=["--patience", "2s"],
                           MAKESPAN_CA=str(self.coordinator("other").data / "ca.pem"))
        self.assertEqual(agent.wait(), harness.UNREACHABLE, agent.output)
        self.assert_sentence(agent, r"MAKESPAN_CA is another coordinator's: set it to what this one prints")

    def test_name_that_is_not_in_the_certificate(self):
        coordinator = self.coordinator()
        agent = self.agent(self.pytest(self.plain), coordinator, options=["--patience", "2s"],
                           MAKESPAN_URL="https://[::ffff:127.0.0.1]:%d" % coordinator.port,
                           MAKESPAN_CA=str(coordinator.data / "ca.pem"))
        self.assertEqual(agent.wait(), harness.UNREACHABLE, agent.output)
        self.assert_sentence(agent, r"makespand has to be started with --name")

    def test_certificate_that_has_expired(self):
        """An operator's own: makespand renews what it has made."""
        data = self.folder / "own"
        data.mkdir()
        for words in (["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                       "/CN=127.0.0.1", "-keyout", "server.key", "-out", "request"],
                      ["x509", "-req", "-in", "request", "-signkey", "server.key", "-days", "-1", "-out", "server.pem"]):
            subprocess.run(["openssl", *words], cwd=data, check=True, capture_output=True)
        coordinator = self.coordinator("own")
        agent = self.agent(self.pytest(self.plain), coordinator, options=["--patience", "2s"],
                           MAKESPAN_CA=str(data / "server.pem"))
        self.assertEqual(agent.wait(), harness.UNREACHABLE, agent.output)
        self.assert_sentence(agent, r"certificate has expired; it has to be renewed there, or this machine's clock is wrong")

    def test_nobody_listens(self):
        coordinator = self.coordinator()
        coordinator.kill9()
        agent = self.agent(self.pytest(self.plain), coordinator, options=["--patience", "2s"])
        self.assertEqual(agent.wait(), harness.UNREACHABLE, agent.output)
        self.assert_sentence(agent, str(coordinator.port))

    def test_no_such_command(self):
        agent = self.agent(["no-such-pytest", "tests"])
        self.assertEqual(agent.wait(), harness.RUNNER, agent.output)
        self.assert_sentence(agent, "no-such-pytest")

    def test_interpreter_without_pytest(self):
        agent = self.agent([harness.PYTHON, "-S", "-m", "pytest", self.plain])
        self.assertEqual(agent.wait(), harness.HANDSHAKE, agent.output)
        self.assert_sentence(agent, "pytest")

    def test_command_that_ends_without_the_handshake(self):
        agent = self.agent(["sh", "-c", "exit 0"])
        self.assertEqual(agent.wait(), harness.HANDSHAKE, agent.output)
        self.assert_sentence(agent, "no pytest in it spoke")

    def test_no_command(self):
        agent = self.makespan(["run"])
        self.assertEqual(agent.wait(), harness.USAGE, agent.output)
        self.assert_sentence(agent, "makespan run -- pytest")

    def test_report_that_cannot_be_written(self):
        target = self.folder / "no" / "such" / "folder" / "out.xml"
        agent = self.agent(self.pytest(self.plain), options=["--junit", target])
        self.assertEqual(agent.wait(), harness.OUTPUT, agent.output)
        self.assert_sentence(agent, "out.xml")

    def test_durations_that_cannot_be_written(self):
        target = self.folder / "no" / "such" / "folder" / "part.json"
        agent = self.agent(self.pytest(self.plain), options=["--store-durations", target])
        self.assertEqual(agent.wait(), harness.OUTPUT, agent.output)
        self.assert_sentence(agent, "--store-durations.*part.json")
        self.assertNotIn("passed", agent.output)  # nobody waits for a run to hear of it

    def test_half_of_a_slot(self):
        for given, missing in (("--index", "--total"), ("--total", "--index")):
            agent = self.agent(self.pytest(self.plain), options=[given, "1"])
            self.assertEqual(agent.wait(), harness.USAGE, agent.output)
            self.assert_sentence(agent, f"{given} without {missing}")

    def test_options_that_plain_pytest_knows_nothing_of_are_named(self):
        agent = self.agent(self.pytest(self.plain), options=["-n", "0", "--timeout", "9s", "--isolate"])
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assert_sentence(agent, "-n 0.*without effect.*--timeout, --isolate")

    def test_id_that_is_too_long_is_named(self):
        long = self.suite({"test_long.py": "import pytest\n@pytest.mark.parametrize('s', ['x' * 5000])\n"
                                           "def test_it(s): pass\n"}, "long")
        agent = self.agent(self.pytest(long))
        self.assertEqual(agent.wait(), 2, agent.output)
        self.assert_sentence(agent, r"test_it\[xxx.*over 4096")

    def test_no_descriptor_is_left(self):
        """Nobody waits long for a process that cannot connect; with one more it is pytest that finds none."""
        for most, said in ((9, "a process of the run cannot connect: Too many open files; raise 'ulimit -n'"),
                           (10, "Too many open files")):
            done = subprocess.run(["sh", "-c", f'ulimit -n {most}; exec "$@"', "sh", harness.MAKESPAN, "run", "-n", "4",
                                   "--", *self.pytest("-q", self.plain)], env=harness.clean_environ(),
                                  cwd=self.folder, capture_output=True, text=True, timeout=harness.PATIENCE_S)
            self.assertNotIn(done.returncode, (0, 70), done.stderr)
            self.assertIn(said, done.stderr)

    def test_a_clock_in_the_place_of_pytests_own(self):
        """What a test of decades would spoil: the lower bound, and what is remembered."""
        suite = self.suite({"test_clock.py": "import pytest, _pytest.timing\n\n@pytest.fixture\ndef mocked(monkeypatch):\n"
                            "    monkeypatch.setattr(_pytest.timing, 'perf_counter', lambda: 1590150050.0)\n\n"
                            "def test_it(mocked): pass\ndef test_other(): pass\n"})
        agent = self.agent(self.pytest("-q", suite), options=["--output", "json"])
        self.assertEqual(agent.wait(), 0, agent.output)
        closing = json.loads(next(line for line in agent.lines if line.startswith("{")))
        self.assertLess(closing["bound_us"], 10_000_000, closing)

    def test_told_to_stop_before_pytest_has_started(self):
        agent = self.agent(["sh", "-c", "trap '' TERM; echo begun; exec sleep 60"])
        agent.wait_for_line("begun")
        agent.signal(signal.SIGTERM)
        agent.wait_for_line("stopping: no test has started")
        time.sleep(0.2)  # what comes at once is the first one, said twice
        agent.signal(signal.SIGTERM)
        self.assertNotIn(agent.wait(10), (0, 70), agent.output)

    def test_collection_error_is_red_for_the_run_too(self):
        broken = self.suite({"test_broken.py": "import no_such_module_at_all\n",
                             "test_fine.py": "def test_fine(): pass\n"}, "broken")
        coordinator = self.coordinator()
        agent = self.agent(self.pytest(broken), coordinator, index=0, total=1)
        self.assertEqual(agent.wait(), 2, agent.output)
        status, verdict = self.verdict(coordinator, "--close")
        self.assertNotEqual(status, 0, verdict)
        self.assertNotEqual(verdict["verdict"], "green")


class RunErrorTest(harness.TestCase):
    """What happens between agents of one run."""

    def setUp(self):
        super().setUp()
        self.gate_ = self.gate()
        self.suite_ = self.gated_suite(self.gate_, TESTS)
        self.coordinator_ = self.coordinator()
        self.command = self.pytest("-q", self.suite_)

    def finish(self, agent):
        """The first agent's run is unharmed by what the other did."""
        self.gate_.open("go")
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assert_green_and_complete(self.coordinator_, TESTS)

    def test_second_agent_in_a_live_slot(self):
        first = self.agent(self.command, self.coordinator_, index=0, total=1)
        self.gate_.reached("go")
        second = self.agent(self.command, self.coordinator_, index=0, total=1)
        self.assertEqual(second.wait(), harness.REFUSED, second.output)
        self.assertRegex(second.output, "MAKESPAN_SUITE|slot")
        self.finish(first)

    def test_two_suites_under_one_run_key(self):
        first = self.agent(self.command, self.coordinator_, index=0, total=2)
        self.gate_.reached("go")
        other = self.pytest("-q", "-k", "nothing", self.suite_)
        second = self.agent(other, self.coordinator_, index=1, total=2)
        self.assertEqual(second.wait(), harness.REFUSED, second.output)
        self.assertIn("MAKESPAN_SUITE", second.output)
        self.finish(first)

    def test_agent_that_was_silent_for_too_long(self):
        """Stopped past its session: its tests go to the other, and it says what happened."""
        slow = self.agent(self.command, self.coordinator_, index=0, total=2)
        self.gate_.reached("go", 2)
        slow.signal(signal.SIGSTOP)
        other = self.agent(self.command, self.coordinator_, index=1, total=2)
        self.gate_.reached("go", 4)
        self.gate_.open("go")
        self.assertEqual(other.wait(), 0, other.output)
        self.assert_green_and_complete(self.coordinator_, TESTS)
        slow.signal(signal.SIGCONT)
        status = slow.wait()
        self.assertIn("session", slow.output)
        self.assertNotEqual(status, 70, slow.output)
        self.assert_green_and_complete(self.coordinator_, TESTS)


class RequestErrorTest(harness.TestCase):
    """What the coordinator answers to requests that no agent of ours sends."""

    def setUp(self):
        super().setUp()
        self.coordinator_ = self.coordinator()

    def assert_problem(self, answer, status, code):
        self.assertEqual(answer[0], status, answer)
        self.assertIsInstance(answer[1], dict, answer)
        self.assertEqual((answer[1]["code"], answer[1]["status"]), (code, status), answer)
        self.assertTrue(answer[1]["detail"], answer)

    def test_malformed_json(self):
        self.assert_problem(self.coordinator_.request("POST", "/v1/join", b"{\"project\":"), 400, "malformed")

    def test_json_of_another_shape(self):
        answer = self.coordinator_.request("POST", "/v1/join", b"[]")
        self.assertEqual(answer[0], 400, answer)
        self.assertIn(answer[1]["code"], ("malformed", "invalid"))

    def test_body_over_the_limit(self):
        self.assert_problem(self.coordinator_.request("POST", "/v1/join", b"x" * (9 << 20)), 413, "too-large")

    def test_gzip_body_over_the_limit_once_decoded(self):
        bomb = gzip.compress(b" " * (40 << 20))
        answer = self.coordinator_.request("POST", "/v1/join", bomb, headers={"Content-Encoding": "gzip"})
        self.assert_problem(answer, 413, "too-large")

    def test_unknown_run(self):
        self.assert_problem(self.coordinator_.request("GET", "/v1/runs/no-such-run"), 404, "run-unknown")
        asked = self.makespan(["verdict", "--project", "e2e", "--run-key", "never-seen", "--timeout", "0"],
                              self.coordinator_)
        self.assertEqual(asked.wait(), harness.REFUSED, asked.output)
        self.assertIn("never-seen", asked.output)

    def test_no_token_and_wrong_token(self):
        for token in (None, "mspt_wrong"):
            answer = self.coordinator_.request("GET", "/v1/runs?project=e2e", token=token)
            self.assert_problem(answer, 401, "token-refused")

    def test_unknown_path_and_method(self):
        self.assert_problem(self.coordinator_.request("GET", "/v1/nothing-here"), 404, "not-found")
        self.assert_problem(self.coordinator_.request("DELETE", "/v1/join"), 405, "method-not-allowed")

    def test_the_agent_is_handed_out_with_its_digest(self):
        status, binary = self.coordinator_.request("GET", "/agent/linux-x86_64", token=None)
        self.assertEqual(status, 200)
        self.assertEqual(binary[:4], b"\x7fELF")
        status, digest = self.coordinator_.request("GET", "/agent/linux-x86_64.sha256", token=None)
        self.assertEqual(status, 200)
        self.assertIn(harness.hashlib.sha256(binary).hexdigest().encode(), digest)


@unittest.skipUnless(os.geteuid() == 0, "a small file system of its own takes root")
class FullTemporaryFolderTest(harness.TestCase):
    def test_is_said_before_anything_starts(self):
        small = self.folder / "small"
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=False)
        (small / "fill").write_bytes(bytes(60 << 10))
        plain = self.suite({"test_plain.py": "def test_plain(): pass\n"})
        agent = self.agent(self.pytest(plain), TMPDIR=small)
        self.assertEqual(agent.wait(), harness.OUTPUT, agent.output)
        self.assertRegex(agent.output, r"\Amakespan: there is no room for 64 KiB in .*small.*TMPDIR")


@unittest.skipUnless(os.geteuid() == 0, "a small file system of its own takes root")
class FullDiskTest(harness.TestCase):
    """The coordinator's disk runs full in mid-run; after somebody made room the run goes on."""

    def mounted(self, bytes_text):
        data = self.folder / "small"
        data.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={bytes_text}", "tmpfs", data], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", data], check=False)
        return data

    def test_says_so_and_goes_on_when_there_is_room_again(self):
        data = self.mounted("24m")
        gate = self.gate()
        suite = self.gated_suite(gate, TESTS, body="gate.wait('go'); os.write(2, b'x' * 2000); pytest.skip('y' * 2000)")
        coordinator = self.coordinator("small")
        agent = self.agent(self.pytest("-q", suite), coordinator, index=0, total=1)
        gate.reached("go", 2)
        filler = data / "filler"
        with open(filler, "wb") as file, self.assertRaises(OSError):
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        gate.open("go")
        agent.wait_for_line(r"no room|disk is full|disk-full")
        filler.unlink()
        self.assertEqual(agent.wait(), 0, agent.output)
        verdict = self.assert_green_and_complete(coordinator, TESTS)
        self.assertEqual(verdict["counts"]["skipped"], TESTS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
