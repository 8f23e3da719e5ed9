"""kill -9 of an agent, of a worker and of the coordinator in mid-run: the run still completes,
every test has one verdict, nothing is counted twice."""

import os
import signal
import time
import unittest

import harness

TESTS = 40


class KillTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.gate_ = self.gate()
        self.suite_ = self.gated_suite(self.gate_, TESTS)
        self.command = self.pytest("-q", self.suite_)

    def two_agents_at_work(self, coordinator):
        """Both agents joined, two workers each inside a test that waits for word."""
        agents = [self.agent(self.command, coordinator, index=index, total=2) for index in range(2)]
        self.gate_.reached("go", 4)
        return agents

    def workers_of(self, agent):
        """Pids inside a test whose ancestors lead to the agent."""
        return [pid for pid in self.gate_.reached("go") if agent.pid in ancestors(pid)]

    def test_the_other_agent_takes_over_what_a_killed_one_held(self):
        coordinator = self.coordinator()
        killed, other = self.two_agents_at_work(coordinator)
        orphans = self.workers_of(killed)
        killed.kill9()
        for pid in orphans:
            self.assertTrue(harness.gone(pid), "a worker outlives its agent")
        self.gate_.open("go")
        self.assertEqual(other.wait(), 0, other.output)
        verdict = self.assert_green_and_complete(coordinator, TESTS)
        self.assertEqual(verdict["counts"]["passed"], TESTS)

    def test_a_killed_worker_is_a_crash_of_its_test_only(self):
        coordinator = self.coordinator()
        agents = self.two_agents_at_work(coordinator)
        os.kill(self.gate_.reached("go")[0], signal.SIGKILL)
        self.gate_.open("go")
        statuses = [agent.wait() for agent in agents]
        self.assertIn(1, statuses)
        self.assertRegex(agents[0].output + agents[1].output, r"SIGKILL|signal 9")
        status, verdict = self.verdict(coordinator)
        self.assertEqual((status, verdict["verdict"], verdict["complete"]), (1, "red", True), verdict)
        self.assertEqual(verdict["counts"]["crashed"], 1, verdict)
        self.assertEqual(verdict["counts"]["passed"], TESTS - 1, verdict)

    def test_a_killed_worker_alone_is_a_crash_of_its_test_only(self):
        agent = self.agent(self.command)
        os.kill(self.gate_.reached("go", 2)[0], signal.SIGKILL)
        self.gate_.open("go")
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertIn(f"1 failed, {TESTS - 1} passed", agent.output)

    def test_the_run_goes_on_after_the_coordinator_was_killed(self):
        coordinator = self.coordinator()
        agents = self.two_agents_at_work(coordinator)
        coordinator.kill9()
        time.sleep(2)  # the outage itself
        coordinator = self.restart(coordinator)
        self.gate_.open("go")
        self.assertEqual([agent.wait() for agent in agents], [0, 0])
        verdict = self.assert_green_and_complete(coordinator, TESTS)
        self.assertEqual(verdict["counts"]["passed"], TESTS)
        self.assertEqual(len(self.gate_.reached("go")), TESTS, "a test ran twice")

    def test_results_that_came_during_the_outage_are_delivered(self):
        coordinator = self.coordinator()
        agents = self.two_agents_at_work(coordinator)
        coordinator.kill9()
        self.gate_.open("go")
        self.gate_.reached("go", 6)  # tests go on without it
        time.sleep(2)  # the outage itself
        coordinator = self.restart(coordinator)
        self.assertEqual([agent.wait() for agent in agents], [0, 0])
        self.assert_green_and_complete(coordinator, TESTS)
        self.assertEqual(len(self.gate_.reached("go")), TESTS, "a test ran twice")
        for agent in agents:
            self.assertIn("makespan: the coordinator answers again", agent.output)
            self.assert_on_lines_of_its_own(agent)


def ancestors(pid):
    """Parents of a process up to the first, itself left out."""
    found = []
    while pid > 1:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
                pid = int(stat.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            break
        found.append(pid)
    return found


if __name__ == "__main__":
    unittest.main(verbosity=2)
