"""Suites that broke a first design: each must give the same tests, outcomes, output and exit code
as plain pytest, on this machine alone and shared by two agents."""

import collections
import pathlib
import re
import unittest

import harness

SUITES = pathlib.Path(__file__).with_name("suites")
VERBOSE = re.compile(r"^(\S+::.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b")


def told(output):
    """What pytest tells: its -v lines in any order, and the counts of the last line."""
    lines = [VERBOSE.match(line) for line in output.splitlines()]
    tests = collections.Counter(match.groups() for match in lines if match)
    last = [line for line in output.splitlines() if re.search(r" in [\d.]+s", line)]
    return tests, re.sub(r" in [\d.]+s.*", "", last[-1]).strip("= ") if last else ""


class HazardTest(harness.TestCase):
    def alone(self, name, *words, **env):
        """The suite by plain pytest and by Makespan on two workers: both must say the same."""
        plain = self.pytest("-v", *words, SUITES / name)
        serial = self.makespanless(plain, self.folder / "serial.xml", env)
        agent = self.agent([*plain, f"--junit-xml={self.folder}/alone.xml"], **env)
        status = agent.wait()
        self.assertEqual(status, serial.child.returncode, agent.output + serial.output)
        self.assertEqual(told(agent.output), told(serial.output), agent.output)
        self.assert_same_junit(self.folder / "serial.xml", self.folder / "alone.xml")
        return agent

    def makespanless(self, command, junit, env):
        """Plain pytest, its JUnit file beside; xdist out of the way."""
        process = self._keep(harness.Process("pytest", [*command, "-o", "addopts=", f"--junit-xml={junit}"],
                                             harness.clean_environ(**env), self.folder))
        process.wait()
        return process

    def shared(self, name, *words, wanted_status=0, **env):
        """The same by two agents: the merged file must equal the serial one."""
        coordinator = self.coordinator()
        agents = [self.agent(self.pytest("-v", *words, SUITES / name), coordinator, index=index, total=2, **env)
                  for index in range(2)]
        statuses = sorted(agent.wait() for agent in agents)
        status, verdict = self.verdict(coordinator)
        self.assertEqual(status, wanted_status, verdict)
        self.assertTrue(verdict["complete"], verdict)
        self.assertIn(status, statuses)
        self.assert_same_junit(self.folder / "serial.xml", self.merged(coordinator))
        return agents

    def test_the_same_id_twice_is_two_tests(self):
        self.alone("duplicate_ids")
        self.shared("duplicate_ids")

    def test_every_outcome_is_kept(self):
        self.alone("skip_and_xfail")
        self.shared("skip_and_xfail", wanted_status=1)

    def test_an_error_in_the_last_teardown_is_red(self):
        agent = self.alone("wide_teardown")
        self.assertIn("the session could not be closed", agent.output)

    def test_an_error_in_the_last_teardown_is_red_for_the_run(self):
        coordinator = self.coordinator()
        agents = [self.agent(self.pytest(SUITES / "wide_teardown"), coordinator, index=index, total=2)
                  for index in range(2)]
        self.assertIn(1, [agent.wait() for agent in agents])
        status, verdict = self.verdict(coordinator)
        self.assertEqual((status, verdict["verdict"]), (1, "red"), verdict)

    def test_exit_code_of_the_suite_passes_through(self):
        plain = self.pytest(SUITES / "exit_code")
        self.assertEqual(self.agent(plain).wait(), 7)

    def test_live_log_has_whole_lines_once(self):
        agent = self.agent(self.pytest(SUITES / "live_log"))
        self.assertEqual(agent.wait(), 0, agent.output)
        for word in ("first", "second"):
            lines = [line for line in agent.lines if f"word of the {word}" in line]
            self.assertEqual(len(lines), 1, agent.output)
            self.assertRegex(lines[0], r"^WARNING +suite:test_logs\.py:\d+ word of the ")

    def test_one_controller_and_a_database_per_worker(self):
        notes = self.folder / "notes"
        agent = self.agent(self.pytest("-v", SUITES / "roles"), ROLE_NOTES=notes)
        self.assertEqual(agent.wait(), 0, agent.output)
        lines = notes.read_text().splitlines()
        controller = [line for line in lines if line.startswith("controller")]
        self.assertEqual(controller.count("controller configure"), 1, lines)
        self.assertEqual(controller.count("controller finish"), 1, lines)
        self.assertEqual(len([line for line in controller if "report" in line]), 6, lines)
        self.assertRegex(agent.output, r"6 passed, 1 warning in")

    def test_a_suite_made_for_xdist_runs_as_it_is(self):
        agent = self.agent(self.pytest("-v", SUITES / "plugin_options"))
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertEqual(told(agent.output)[1], "2 passed")

    def test_ids_from_a_set_are_the_same_tests_everywhere(self):
        notes = self.folder / "notes"
        coordinator = self.coordinator()
        agents = [self.agent(self.pytest(SUITES / "random_ids"), coordinator, index=index, total=2,
                             POINT_NOTES=notes) for index in range(2)]
        self.assertEqual([agent.wait() for agent in agents], [0, 0])
        self.assertEqual(sorted(notes.read_text().split()), ["east", "north", "south", "west"])

    def test_collection_error_runs_nothing(self):
        agent = self.agent(self.pytest(SUITES / "collection_error"))
        self.assertEqual(agent.wait(), 2, agent.output)
        self.assertIn("there_is_no_such_module", agent.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
