"""More workers than CPUs: those that the CPUs do not serve begin when tests wait."""

import os
import re
import unittest

import harness

COMPUTES = """
import pytest, time
@pytest.mark.parametrize("number", range(12))
def test_computes(number):
    began = time.process_time()
    while time.process_time() - began < 0.05:
        pass
"""
# Each waits for all others: two at a time would wait for ever.
WAITS = """
import gate, pytest
@pytest.mark.parametrize("number", range(4))
def test_waits(number):
    gate.wait("all")
"""


class Crew(harness.TestCase):
    def setUp(self):
        super().setUp()
        allowed = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, allowed)
        os.sched_setaffinity(0, {min(allowed)})  # and so are all that it starts

    def workers_of(self, suite, *options, words=()):
        agent = self.agent(self.pytest("-q", *words), cwd=suite, workers=4, options=options)
        self.assertEqual(agent.wait(), 0, agent.output)
        return agent, int(re.search(r"ran here on (\d+) worker", agent.output).group(1))

    def test_tests_that_compute_get_as_many_as_the_cpus_serve(self):
        suite = self.suite({"test_it.py": COMPUTES})
        agent, workers = self.workers_of(suite)
        self.assertEqual(workers, 1, agent.output)
        self.assertIn("makespan: 1 of 4 workers: tests keep 1 CPU busy (--all-workers starts all)", agent.output)
        agent, workers = self.workers_of(suite, "--all-workers")
        self.assertGreater(workers, 1, agent.output)
        self.assertNotIn("of 4 workers", agent.output)

    def test_tests_that_wait_get_all(self):
        gate = self.gate()
        suite = self.suite({"gate.py": gate.module, "test_it.py": WAITS})
        agent = self.agent(self.pytest("-q"), cwd=suite, workers=4)
        gate.reached("all", 4)
        gate.open("all")
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("ran here on 4 workers", agent.output)

    def test_those_that_collect_for_themselves_only_where_it_is_known(self):
        suite = self.suite({"test_it.py": COMPUTES})
        _agent, workers = self.workers_of(suite, "--start", "early")
        self.assertEqual(workers, 4)
        _agent, workers = self.workers_of(suite, "--start", "early")
        self.assertEqual(workers, 1)

    def test_a_worker_that_is_watched_is_there(self):
        agent, _workers = self.workers_of(self.suite({"test_it.py": COMPUTES}), "--live=gw3")
        self.assertNotIn("of 4 workers", agent.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
