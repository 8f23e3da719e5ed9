"""A coordinator that nobody reaches: who may run a static share instead, and what that is worth."""

import socket
import unittest

import harness

TESTS = 18
PATIENCE = "300ms"
BODY = """import os, pathlib, pytest

@pytest.mark.parametrize("number", range(6))
def test_it(request, number):
    fd = os.open({ran!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(fd, (request.node.nodeid + "\\n").encode())
    os.close(fd)
    assert (request.node.path.name, number) != {bad!r}
"""


class FallbackTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        taken = socket.socket()  # held as long as the test runs: nobody else may come to listen there
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        self.away = {"MAKESPAN_URL": f"https://127.0.0.1:{taken.getsockname()[1]}", "MAKESPAN_TOKEN": "mspt_any",
                     "MAKESPAN_RUN_KEY": "run-1", "XDG_CACHE_HOME": self.folder / "cache"}
        self.ran_file = self.folder / "ran"

    def counted_suite(self, bad=None):
        text = BODY.format(ran=str(self.ran_file), bad=bad)
        return self.suite({f"test_{name}.py": text for name in "abc"})

    def ran(self):
        return self.ran_file.read_text().splitlines() if self.ran_file.exists() else []

    def fall(self, suite, index, total, *options):
        return self.agent(self.pytest("-q"), index=index, total=total, workers=1, cwd=suite,
                          options=["--patience", PATIENCE, *options], **self.away)

    def fall_all(self, suite, total, *options):
        """Exit statuses of all machines, one after the other."""
        agents = []
        for index in range(total):
            agents.append(self.fall(suite, index, total, *options))
            agents[-1].wait()
        return [agent.child.returncode for agent in agents], agents

    def test_shares_are_the_suite_once_and_no_job_is_green(self):
        statuses, agents = self.fall_all(self.counted_suite(), 3, "--fallback")
        self.assertEqual(statuses, [harness.UNDELIVERED] * 3)
        ran = self.ran()
        self.assertEqual((len(ran), len(set(ran))), (TESTS, TESTS))
        self.assertEqual(len({agent.wait_for_line("plan ([0-9a-f]{16})").group(1) for agent in agents}), 1)
        for agent in agents:
            self.assertIn("falling back", agent.output)
            self.assertIn("no coordinator has their results", agent.output)

    def test_allow_offline_is_green_in_a_first_attempt(self):
        suite = self.counted_suite()
        statuses, agents = self.fall_all(suite, 2, "--fallback", "--allow-offline", "--attempt", "1")
        self.assertEqual(statuses, [0, 0])
        self.assertEqual(sorted(self.ran()), sorted(set(self.ran())))
        self.assertEqual(len(self.ran()), TESTS)
        for agent in agents:
            self.assertIn("nobody checks", agent.output)
        unknown = self.fall(suite, 0, 2, "--fallback", "--allow-offline")
        self.assertEqual(unknown.wait(), harness.UNDELIVERED, unknown.output)
        self.assertIn("MAKESPAN_ATTEMPT", unknown.output)

    def test_a_failing_test_is_red_with_its_own_status(self):
        suite = self.counted_suite(bad=("test_b.py", 3))
        statuses, _ = self.fall_all(suite, 3, "--fallback", "--allow-offline", "--attempt", "1")
        self.assertEqual(sorted(statuses), [0, 0, 1])

    def test_not_unless_asked_nor_in_a_second_attempt(self):
        suite = self.counted_suite()
        for options, said in (((), "no answer"), (("--fallback", "--attempt", "2"), "second attempt")):
            agent = self.fall(suite, 0, 2, *options)
            self.assertEqual(agent.wait(), harness.UNREACHABLE, agent.output)
            self.assertIn(said, agent.output)
        self.assertEqual(self.ran(), [])

    def test_a_mistake_is_found_without_an_outage(self):
        suite = self.counted_suite()
        for options, said in ((["--fallback"], "--index and --total"),
                              (["--allow-offline", "--index", "0", "--total", "2"], "--fallback")):
            agent = self.makespan(["run", *options, "--", *self.pytest()], cwd=suite, **self.away)
            self.assertEqual(agent.wait(), harness.USAGE, agent.output)
            self.assertIn(said, agent.output)

    def test_not_after_a_join(self):
        gate = self.gate()
        suite = self.gated_suite(gate, 10)
        coordinator = self.coordinator()
        agent = self.agent(self.pytest("-q", suite), coordinator, index=0, total=2, workers=1,
                           options=["--fallback", "--allow-offline", "--attempt", "1", "--patience", PATIENCE])
        gate.reached("go")
        coordinator.kill9()
        agent.wait_for_line("does not answer")
        gate.open("go")
        self.assertIn(agent.wait(), (harness.UNREACHABLE, harness.UNDELIVERED), agent.output)
        self.assertNotIn("falling back", agent.output)

    def test_those_that_joined_run_everything(self):
        suite = self.counted_suite()
        fell = self.fall(suite, 1, 2, "--fallback")
        self.assertEqual(fell.wait(), harness.UNDELIVERED, fell.output)
        share = len(self.ran())
        coordinator = self.coordinator()
        joined = self.agent(self.pytest("-q"), coordinator, index=0, total=2, cwd=suite, options=["--fallback"])
        self.assertEqual(joined.wait(), 0, joined.output)
        self.assert_green_and_complete(coordinator, TESTS)
        self.assertEqual(len(self.ran()), share + TESTS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
