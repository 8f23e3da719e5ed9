"""A signal that ends others, to all processes or to one: what ran is shown, what was cut is named, nothing counts twice."""

import os
import signal
import time
import unittest

import harness


class SignalsTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.gate_ = self.gate()

    def at_work(self, tests, command=None, **more):
        """Two workers in their first tests, all the others waiting for them."""
        suite = self.gated_suite(self.gate_, tests)
        agent = self.agent([*(command or []), *self.pytest("-q", f"--junitxml={self.folder}/out.xml", suite)], **more)
        self.gate_.reached("go", 2)
        return agent

    def through_a_shell(self):
        return ["sh", "-c", '"$@"; exit $?', "sh"]

    def assert_shown(self, agent, passed):
        """By pytest itself: in its summary and its file. Our own lines are not glued to its dots."""
        self.assertRegex(agent.output, rf"(?m)^{passed} passed in ")
        self.assertRegex(agent.output, r"(?m)^!+ Interrupted: SIGTERM \(15\) !+$")
        cases = harness.ElementTree.parse(self.folder / "out.xml").findall(".//testcase")
        self.assertEqual(len(cases), passed)
        self.assert_on_lines_of_its_own(agent)

    def let_two_end(self, agent):
        agent.wait_for_line("^makespan: stopping: SIGTERM \\(15\\); running tests have 5000 ms to end")
        agent.wait_for_line(r"^makespan: still running: \S+::test_gated\[\d\] \(gw[01]\), \S+::test_gated\[\d\] \(gw[01]\)$")
        self.gate_.open("go")

    def test_to_all_as_timeout_and_ci_send_it(self):
        agent = self.at_work(6)
        os.killpg(agent.pid, signal.SIGTERM)
        self.let_two_end(agent)
        self.assertEqual(agent.wait(), harness.DRAINED, agent.output)
        self.assert_shown(agent, 2)
        self.assertIn("2 of 6 tests ran here", agent.output)

    def test_to_all_below_a_shell(self):
        agent = self.at_work(6, self.through_a_shell())
        os.killpg(agent.pid, signal.SIGTERM)
        self.let_two_end(agent)
        self.assertEqual(agent.wait(), harness.DRAINED, agent.output)
        self.assert_shown(agent, 2)

    def test_to_pytest_alone(self):
        agent = self.at_work(6)
        (keeper,) = harness.children_of(agent.pid)
        os.kill(harness.children_of(keeper)[0], signal.SIGTERM)
        self.let_two_end(agent)
        self.assertEqual(agent.wait(), harness.DRAINED, agent.output)
        self.assert_shown(agent, 2)

    def test_all_that_was_left_ends_in_time(self):
        agent = self.at_work(2)
        os.killpg(agent.pid, signal.SIGTERM)
        self.let_two_end(agent)
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertRegex(agent.output, r"(?m)^2 passed in ")
        self.assertIn("2 of 2 tests ran here", agent.output)

    def test_what_does_not_end_in_time_is_named(self):
        agent = self.at_work(6)
        os.killpg(agent.pid, signal.SIGTERM)
        agent.wait_for_line(r"^makespan: not over in time, and killed: \S+ \(gw[01]\), \S+ \(gw[01]\)$")
        self.assertEqual(agent.wait(), harness.DRAINED, agent.output)
        self.assert_on_lines_of_its_own(agent)

    def test_said_twice_as_timeout_does_it_is_once(self):
        agent = self.at_work(2)
        os.kill(agent.pid, signal.SIGTERM)
        agent.wait_for_line("^makespan: stopping")
        os.killpg(agent.pid, signal.SIGTERM)
        self.let_two_end(agent)
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("2 of 2 tests ran here", agent.output)

    def test_a_second_one_ends_all_at_once(self):
        agent = self.at_work(6)
        os.killpg(agent.pid, signal.SIGTERM)
        agent.wait_for_line("^makespan: stopping")
        time.sleep(0.2)  # what comes at once is the first one, said twice
        os.killpg(agent.pid, signal.SIGTERM)
        self.assertEqual(agent.wait(), 128 + signal.SIGTERM, agent.output)

    def test_after_the_tests_it_changes_nothing(self):
        """That some did not run is not the signal's doing."""
        suite = self.suite({
            "gate.py": self.gate_.module,
            "conftest.py": "import gate\n"
                           "def pytest_sessionfinish(session):\n"
                           "    if not hasattr(session.config, 'workerinput'):\n"
                           "        gate.wait('finish')\n",
            "test_it.py": "def test_a(): assert False\ndef test_b(): pass\n"})
        agent = self.agent(self.pytest("-q", "-x", suite), workers=1)
        self.gate_.reached("finish")
        os.kill(agent.pid, signal.SIGTERM)
        time.sleep(0.2)  # nothing is said, so there is nothing to wait for
        self.gate_.open("finish")
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertIn("1 of 2 tests ran here", agent.output)

    def test_while_it_collects(self):
        suite = self.suite({"gate.py": self.gate_.module, "test_slow.py": "import gate\ngate.wait('import')\ndef test(): pass\n"})
        agent = self.agent(self.pytest("-q", suite))
        self.gate_.reached("import")
        os.killpg(agent.pid, signal.SIGTERM)
        agent.wait_for_line("^makespan: stopping: SIGTERM")
        self.assertNotIn(agent.wait(), (0, 70), agent.output)

    def test_a_way_of_the_suites_own_is_left_to_it(self):
        """A conftest that takes SIGTERM for itself has it, in the reporter as in plain pytest."""
        suite = self.gated_suite(self.gate_, 6)
        (suite / "conftest.py").write_text(
            "import os, signal\n\n"
            "def own(*_):\n    os.write(1, b'the way of the suite\\n')\n    os._exit(9)\n\n"
            "signal.signal(signal.SIGTERM, own)\n")
        agent = self.agent(self.pytest("-q", suite))
        self.gate_.reached("go", 2)
        (keeper,) = harness.children_of(agent.pid)
        os.kill(harness.children_of(keeper)[0], signal.SIGTERM)
        agent.wait_for_line("the way of the suite")
        self.gate_.open("go")
        self.assertNotIn(agent.wait(), (0, 70), agent.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
