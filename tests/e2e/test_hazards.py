"""Suites that broke a first design (tests/hazards): each must give the same tests, outcomes, output
and exit code as plain pytest, on this machine alone and, where it applies, shared by two agents."""

import collections
import os
import re
import shutil
import unittest

import harness

HAZARDS = harness.ROOT / "tests" / "hazards"
SUITES = harness.ROOT / "tests" / "e2e" / "suites"
VERBOSE = re.compile(r"^(\S+::.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b")


def told(output):
    """What pytest tells: its -v lines in any order, and the counts of the last line."""
    matches = [VERBOSE.match(line) for line in output.splitlines()]
    last = [line for line in output.splitlines() if re.search(r" in [\d.]+s", line)]
    counts = re.sub(r" in [\d.]+s.*", "", last[-1]).strip("= ") if last else ""
    return collections.Counter(match.groups() for match in matches if match), counts


class HazardTest(harness.TestCase):
    def alone(self, suite, *words, **env):
        """By plain pytest and by Makespan on two workers: both must say the same."""
        serial_xml, alone_xml = self.folder / "serial.xml", self.folder / "alone.xml"
        command = self.pytest("-v", *words, suite)
        status, output = self.serial("-v", *words, suite, f"--junit-xml={serial_xml}", env=env)
        agent = self.agent([*command, f"--junit-xml={alone_xml}"], **env)
        self.assertEqual(agent.wait(), status, agent.output + output)
        self.assertEqual(told(agent.output), told(output), agent.output + output)
        self.assert_same_junit(serial_xml, alone_xml)
        return agent

    def shared(self, suite, *words, wanted=0, **env):
        """By two agents: the merged file equals the serial one, and the verdict is as serial."""
        coordinator = self.coordinator()
        agents = [self.agent(self.pytest("-v", *words, suite), coordinator, index=index, total=2, **env)
                  for index in range(2)]
        statuses = [agent.wait() for agent in agents]
        status, verdict = self.verdict(coordinator)
        self.assertEqual(status, wanted, verdict)
        self.assertTrue(verdict["complete"], verdict)
        self.assertIn(wanted, statuses)
        self.assert_same_junit(self.folder / "serial.xml", self.merged(coordinator))
        return agents

    def test_duplicate_ids(self):
        """One id twice is two tests."""
        self.alone(HAZARDS / "duplicate_ids")
        self.shared(HAZARDS / "duplicate_ids")

    def test_every_outcome(self):
        self.alone(SUITES / "outcomes")
        self.shared(SUITES / "outcomes", wanted=1)

    def test_skip_report(self):
        self.alone(HAZARDS / "skip_report")
        self.shared(HAZARDS / "skip_report")

    def test_half_characters(self):
        """Text that is not UTF-8 spoils no test, wherever it stands; nor does such a name of the folder.
        (pytest's own JUnit XML cannot be written then.)"""
        folder = os.fsencode(self.folder / "in") + b"\xff"
        shutil.copytree(os.fsencode(HAZARDS / "half_characters"), folder)
        status, output = self.serial("-v", cwd=folder)
        agent = self.agent(self.pytest("-v"), cwd=folder)
        self.assertEqual(agent.wait(), status, agent.output)
        self.assertEqual(told(agent.output), told(output), agent.output + output)
        coordinator = self.coordinator()
        agent = self.agent(self.pytest("-v"), coordinator, cwd=folder, index=0, total=1)
        self.assertEqual(agent.wait(), status, agent.output)
        _, verdict = self.verdict(coordinator)
        self.assertEqual({word: verdict["counts"][word] for word in ("passed", "failed", "crashed")},
                         {"passed": 2, "failed": 2, "crashed": 0}, verdict)

    def test_nextitem(self):
        """An error in the last teardown is red, on one machine and in a run."""
        agent = self.alone(HAZARDS / "nextitem")
        self.assertIn("session teardown fails", agent.output)
        coordinator = self.coordinator()
        agents = [self.agent(self.pytest(HAZARDS / "nextitem"), coordinator, index=index, total=2)
                  for index in range(2)]
        self.assertIn(1, [agent.wait() for agent in agents])
        status, verdict = self.verdict(coordinator)
        self.assertEqual((status, verdict["verdict"]), (1, "red"), verdict)

    def test_exit_code(self):
        """What a test asks pytest to exit with passes through."""
        self.assertEqual(self.agent(self.pytest(HAZARDS / "exit_code")).wait(), 7)

    def test_exit_code_of_a_run(self):
        coordinator = self.coordinator()
        agent = self.agent(self.pytest(HAZARDS / "exit_code"), coordinator, index=0, total=1)
        self.assertEqual(agent.wait(), 7, agent.output)
        status, verdict = self.verdict(coordinator)
        self.assertNotEqual(status, 0, verdict)

    def test_log_cli(self):
        """Live log: whole lines, once each."""
        agent = self.agent(self.pytest("-o", "log_cli=1", HAZARDS / "log_cli"))
        self.assertEqual(agent.wait(), 0, agent.output)
        for word in ("live one", "live two"):
            lines = [line for line in agent.lines if word in line]
            self.assertEqual(len(lines), 1, agent.output)
            self.assertRegex(lines[0], rf"^WARNING +root:test_log_cli\.py:\d+ {word}$")

    def test_roles(self):
        """One controller, a database for each worker, one warning."""
        notes = self.folder / "notes"
        agent = self.agent(self.pytest("-v", HAZARDS / "roles"), RLOG=notes)
        self.assertEqual(agent.wait(), 0, agent.output)
        lines = [line.split(" ", 1)[1] for line in notes.read_text().splitlines()]
        self.assertEqual(lines.count("CONTROLLER configure"), 1, lines)
        self.assertEqual(lines.count("CONTROLLER sessionfinish"), 1, lines)
        reported = [line for line in lines if line.startswith("CONTROLLER logreport")]
        self.assertEqual(len(set(reported)), 4, lines)
        self.assertEqual(len(reported), 4, lines)
        self.assertRegex(agent.output, r"4 passed, 1 warning in")

    def test_xdist_options(self):
        """A suite made for xdist runs as it is, with its own -n too."""
        for words in ([], ["-o", "addopts=--strict-markers -n 2"]):
            agent = self.agent(self.pytest("-v", *words, HAZARDS / "xdist_options"))
            self.assertEqual(agent.wait(), 0, agent.output)
            self.assertEqual(told(agent.output)[1], "2 passed")

    def test_hash_order(self):
        """Ids from a set are the same tests on every machine."""
        coordinator = self.coordinator()
        agents = [self.agent(self.pytest("-rP", HAZARDS / "hash_order"), coordinator, index=index, total=2)
                  for index in range(2)]
        self.assertEqual([agent.wait() for agent in agents], [0, 0])
        ran = re.findall(r"^RAN (\w)$", agents[0].output + "\n" + agents[1].output, re.M)
        self.assertEqual(sorted(ran), ["a", "b", "c"], agents[0].output + agents[1].output)

    def test_collection_error(self):
        """Nothing runs, and pytest's own words say why."""
        agent = self.agent(self.pytest(SUITES / "collection_error"))
        self.assertEqual(agent.wait(), 2, agent.output)
        self.assertIn("there_is_no_such_module", agent.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
