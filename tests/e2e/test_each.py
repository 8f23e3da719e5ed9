"""--dist each between machines: every machine runs everything, and each of its results counts."""

import json
import unittest

import harness

SUITE = '''
import os, pytest

@pytest.mark.parametrize("number", range(4))
def test_same(number):
    pass

def test_here():
    assert os.environ["MACHINE"] != os.environ.get("BROKEN")
'''


class EachTest(harness.TestCase):
    def go(self, coordinator, total=2, join=None, key="run-1", **env):
        suite = self.folder / "suite"
        if not suite.exists():
            self.suite({"test_each.py": SUITE})
        agents = [self.agent(self.pytest("-q", "--dist", "each", "test_each.py"), coordinator, index=i, total=total,
                             workers=1 + i, cwd=suite, key=key, MACHINE=f"m{i}", **env)
                  for i in (range(total) if join is None else join)]
        return agents, [agent.wait() for agent in agents]

    def test_every_machine_runs_everything(self):
        coordinator = self.coordinator()
        agents, statuses = self.go(coordinator)
        self.assertEqual(statuses, [0, 0], [agent.output for agent in agents])
        for agent in agents:
            self.assertIn("5 passed", agent.output)
        self.assert_green_and_complete(coordinator, 10)
        cases = [case.get("name") for case in harness.ElementTree.parse(self.merged(coordinator)).iter("testcase")]
        self.assertEqual(sorted(cases), sorted(f"{name} @{i}" for i in range(2) for name in
                                               ["test_here", *(f"test_same[{n}]" for n in range(4))]))

    def test_what_fails_on_one_machine_is_red_and_names_it(self):
        coordinator = self.coordinator()
        _, statuses = self.go(coordinator, BROKEN="m1")
        self.assertEqual(statuses[1], 1)
        status, verdict = self.verdict(coordinator)
        self.assertEqual((status, verdict["verdict"], verdict["counts"]["failed"], verdict["counts"]["passed"]),
                         (1, "red", 1, 9))
        failed = [case.get("name") for case in harness.ElementTree.parse(self.merged(coordinator)).iter("testcase")
                  if case.find("failure") is not None]
        self.assertEqual(failed, ["test_here @1"])
        path = self.folder / "report.json"
        got = self.makespan(["report", "--project", "e2e", "--run-key", "run-1", "--format", "json", "-o", path],
                            coordinator)
        self.assertEqual(got.wait(), 0, got.output)
        tests = json.loads(path.read_text())["tests"]
        self.assertEqual([test["machine"] for test in tests if test["outcome"] == "failed"], [1])
        self.assertEqual({test["k"] for test in tests}, {0})

    def test_a_machine_that_never_came_is_missed(self):
        coordinator = self.coordinator()
        agents, statuses = self.go(coordinator, join=[0])
        self.assertNotEqual(statuses, [0], agents[0].output)
        status, verdict = self.verdict(coordinator, "--close")
        self.assertEqual((status, verdict["verdict"], verdict["unrun"]),
                         (harness.MACHINES, "machines-missing", 5))

    def test_without_a_coordinator_nothing_is_split(self):
        agents, statuses = self.go(None)
        self.assertEqual(statuses, [0, 0], [agent.output for agent in agents])
        for agent in agents:
            self.assertIn("5 passed", agent.output)
            self.assertIn("nothing is split: every machine runs everything (--dist each)", agent.output)

    def test_it_needs_to_know_the_machines(self):
        coordinator = self.coordinator()
        self.suite({"test_each.py": SUITE})
        agent = self.agent(self.pytest("-q", "--dist=each", "test_each.py"), coordinator, cwd=self.folder / "suite",
                           MACHINE="m")
        self.assertEqual(agent.wait(), harness.USAGE)
        self.assertIn("--dist each between machines needs to know them: give --index and --total", agent.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
