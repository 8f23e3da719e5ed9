"""-x and --maxfail count over all machines of a run."""

import unittest

import harness

# One test of each file fails; each file has a machine, which is at it for four seconds.
SUITE = '''
import time, pytest

@pytest.mark.parametrize("number", range(40))
def test_it(number):
    time.sleep(0.1)
    assert number != 3
'''


class MaxfailTest(harness.TestCase):
    def run_on_two(self, *words):
        coordinator = self.coordinator()
        suite = self.suite({"test_a.py": SUITE, "test_b.py": SUITE})
        agents = [self.agent(self.pytest("-q", "--dist=loadfile", *words), coordinator, index=index, total=2, workers=1,
                             cwd=suite) for index in range(2)]
        statuses = [agent.wait() for agent in agents]
        status, verdict = self.verdict(coordinator)
        self.assertEqual(status, 1, verdict)
        return statuses, verdict, agents

    def assert_stopped(self, verdict, failures):
        self.assertEqual(verdict["counts"]["failed"], failures, verdict)
        self.assertGreater(verdict["unrun"], 40, verdict)
        self.assertIn(f"stopping after {failures} failures", verdict["message"])

    def test_the_first_failure_stops_all(self):
        _statuses, verdict, _agents = self.run_on_two("-x")
        self.assertGreater(verdict["unrun"], 40, verdict)
        self.assertIn("stopping after 1 failures", verdict["message"])

    def test_failures_of_all_machines_count(self):
        statuses, verdict, agents = self.run_on_two("--maxfail=2")
        self.assert_stopped(verdict, 2)
        self.assertNotIn(0, statuses)
        for agent in agents:
            self.assertIn("stopping after 2 failures", agent.output)

    def test_fewer_stop_nothing(self):
        statuses, verdict, _agents = self.run_on_two("--maxfail=3")
        self.assertEqual((verdict["counts"]["failed"], verdict["unrun"], statuses), (2, 0, [1, 1]))


if __name__ == "__main__":
    unittest.main()
