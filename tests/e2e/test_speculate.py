"""Speculative copies between real machines: the first result wins, the other try is ended and is no crash."""

import unittest

import harness

# One test hangs on the machine that gets it first, as long as the suite's own file says so.
SUITE = '''
import os, pathlib, time, pytest

MACHINE = os.environ["MACHINE"]
LOG = pathlib.Path(os.environ["TRIES"])

def note(*words):
    with LOG.open("a") as log:
        log.write(" ".join((MACHINE, *words)) + "\\n")

@pytest.fixture(scope="module")
def wide():
    yield
    note("torn-down")

@pytest.fixture
def own():
    yield
    note("own-down")

def test_stuck(wide, own):
    first = not LOG.exists() or "stuck" not in LOG.read_text()
    note("stuck")
    if first and os.environ.get("HANGS"):
        SLEEP

@pytest.mark.parametrize("number", range(6))
def test_quick(number):
    time.sleep(0.05)
'''


# Hangs on the machine that gets it first; that machine's pytest fails at its end, after the run's.
LATE = """
import os, pathlib, time, gate

LOG = pathlib.Path(os.environ["TRIES"])

def test_only():
    time.sleep(0.2)
    try:
        LOG.touch(exist_ok=False)
    except FileExistsError:
        return
    LOG.write_text(os.environ["MACHINE"])
    if os.environ.get("HANGS"):
        time.sleep(600)
"""
LATE_END = """
import os, pathlib, gate

def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput") or not os.environ.get("HANGS"):
        return
    if pathlib.Path(os.environ["TRIES"]).read_text() == os.environ["MACHINE"]:
        gate.wait("over")
        session.exitstatus = 3
"""


class SpeculateTest(harness.TestCase):
    def start(self, coordinator, key, suite, options, **env):
        return [self.agent(self.pytest("-q", "-rA", "test_copy.py"), coordinator, index=i, total=2, workers=1,
                           key=key, cwd=suite, options=options, MACHINE=f"m{i}",
                           TRIES=self.folder / ("tries-" + key), **env) for i in range(2)]

    def go(self, *args, **env):
        agents = self.start(*args, **env)
        return agents, [agent.wait() for agent in agents]

    def run_twice(self, sleep):
        """The first run teaches how long the tests take; in the second one hangs on one machine."""
        coordinator = self.coordinator()
        suite = self.suite({"test_copy.py": SUITE.replace("SLEEP", sleep)})
        self.assertEqual(self.go(coordinator, "one", suite, [])[1], [0, 0])
        coordinator.wait_for_line("history_folded")
        agents, statuses = self.go(coordinator, "two", suite, ["--speculate"], HANGS=1)
        self.assertEqual(statuses, [0, 0], [agent.output for agent in agents])
        verdict = self.assert_green_and_complete(coordinator, 7, key="two")
        tries = (self.folder / "tries-two").read_text().split("\n")
        stuck = [line.split()[0] for line in tries if line.endswith("stuck")]
        self.assertEqual(len(stuck), 2, tries)
        self.assertEqual(set(stuck), {"m0", "m1"})
        return agents, verdict, tries, stuck

    def test_the_copy_wins_and_the_loser_tears_down(self):
        agents, verdict, tries, stuck = self.run_twice("time.sleep(600)")
        loser = agents[int(stuck[0][1])]
        self.assertIn("test_copy.py::test_stuck has ended elsewhere and is ended here", loser.output)
        self.assertNotRegex(loser.output, "crash|Interrupted|KeyboardInterrupt")
        self.assertIn(stuck[0] + " own-down", tries)
        self.assertIn(stuck[0] + " torn-down", tries)
        self.assertEqual(verdict["flaky"], 0)
        self.assertGreaterEqual(verdict["copies"], verdict["copies_won"])
        self.assertGreaterEqual(verdict["copies_won"], 1)  # on a busy machine a quick test may be late, too
        self.assertGreater(verdict["drift_us"]["copies"], 0)

    def test_a_loser_that_takes_the_interrupt_for_something_else_is_killed(self):
        agents, verdict, _tries, stuck = self.run_twice(
            "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)")
        self.assertNotRegex(agents[int(stuck[0][1])].output, "crash|Interrupted")
        self.assertGreaterEqual(verdict["copies_won"], 1)
        self.assertEqual(verdict["flaky"], 0)

    def test_what_the_loser_says_after_the_interrupt_does_not_count(self):
        agents, verdict, _tries, stuck = self.run_twice(
            "\n        try:\n            time.sleep(600)\n        except BaseException:\n            assert False")
        self.assertNotRegex(agents[int(stuck[0][1])].output, "1 failed")
        self.assertGreaterEqual(verdict["copies_won"], 1)
        self.assertEqual(verdict["flaky"], 0)

    def test_what_a_loser_ran_beside_the_useless_test_is_run_again(self):
        coordinator = self.coordinator()
        runner = [harness.PYTHON, harness.ROOT / "tests" / "agent" / "fake_runner.py", "deaf"]

        def go(key, options, **env):
            agents = [self.agent(runner, coordinator, index=i, total=2, workers=1, key=key, options=options, **env)
                      for i in range(2)]
            return agents, [agent.wait() for agent in agents]

        self.assertEqual(go("one", [])[1], [0, 0])
        coordinator.wait_for_line("history_folded")
        agents, statuses = go("two", ["--speculate"], HANGS=self.folder / "hangs")
        self.assertEqual(statuses, [0, 0], [agent.output for agent in agents])
        (loser,) = (agent for agent in agents if "f.py::t0 has ended elsewhere" in agent.output)
        self.assertIn("BESIDE", loser.output)
        self.assertIn("; complete", loser.output)
        self.assert_green_and_complete(coordinator, 6, key="two")

    def test_a_loser_that_fails_after_the_end_is_remarked(self):
        coordinator, gate = self.coordinator(), self.gate()
        suite = self.suite({"test_copy.py": LATE, "conftest.py": LATE_END, "gate.py": gate.module})
        self.assertEqual(self.go(coordinator, "one", suite, [])[1], [0, 0])
        coordinator.wait_for_line("history_folded")
        agents = self.start(coordinator, "two", suite, ["--speculate"], HANGS=1)
        gate.reached("over")
        late = int((self.folder / "tries-two").read_text()[1])
        self.assertEqual(agents[1 - late].wait(), 0, agents[1 - late].output)
        self.assertNotIn("remarks", self.assert_green_and_complete(coordinator, 1, key="two"))
        gate.open("over")
        self.assertEqual(agents[late].wait(), 3, agents[late].output)
        self.assertRegex(agents[late].output, r"after the end, exit-status: the runner of session \S+ exited with 3")
        (remark,) = self.assert_green_and_complete(coordinator, 1, key="two")["remarks"]
        self.assertEqual(remark["kind"], "exit-status")
        status = self.makespan(["status", "--project", "e2e", "--run-key", "two"], coordinator)
        self.assertEqual(status.wait(), 0, status.output)
        self.assertRegex(status.output, rf"(?m)^ +{late}  left +1 +0 +0 +3$")
        self.assertIn("makespan.remark", self.merged(coordinator, key="two").read_text())


if __name__ == "__main__":
    unittest.main(verbosity=2)
