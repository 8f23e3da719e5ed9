"""Two agents that collect different tests: both differences are listed, and nothing is green."""

import unittest

import harness


def tests(word, count):
    return {f"test_{word}.py": "".join(f"def test_{word}_{number:02}(): pass\n" for number in range(count))}


class MismatchTest(harness.TestCase):
    def test_lists_the_first_twenty_and_the_count_of_both_sides(self):
        gate = self.gate()
        common = {"gate.py": gate.module, "test_common.py": "import gate\n\ndef test_common(): gate.wait('go')\n"}
        first = self.suite({**common, **tests("first", 25)}, "first")
        second = self.suite({**common, **tests("second", 3)}, "second")
        coordinator = self.coordinator()
        command = self.pytest("-q")
        agents = [self.agent(command, coordinator, index=0, total=2, cwd=first)]
        gate.reached("go")
        agents.append(self.agent(command, coordinator, index=1, total=2, cwd=second))
        coordinator.wait_for_line("collection_differs")
        gate.open("go")
        statuses = [agent.wait() for agent in agents]
        self.assertNotEqual(statuses, [0, 0])
        self.assertIn(harness.MISMATCH, statuses)
        status, verdict = self.verdict(coordinator)
        self.assertEqual((status, verdict["verdict"]), (harness.MISMATCH, "mismatch"), verdict)
        self.assertEqual(verdict["only_first_total"], 25, verdict)
        self.assertEqual(len(verdict["only_first"]), 20, verdict)
        self.assertEqual(verdict["only_other_total"], 3, verdict)
        said = agents[statuses.index(harness.MISMATCH)].output
        self.assertIn("test_first.py::test_first_00", said)
        self.assertIn("test_second.py::test_second_02", said)
        self.assertNotIn("test_first.py::test_first_24", said, "only the first 20")
        self.assertIn("25", said)

    def test_who_collected_other_tests_when_all_is_done_is_not_green(self):
        """The first agent ends the run while the second, that has joined, still collects."""
        gate = self.gate()
        first = self.suite(tests("first", 1), "first")
        second = self.suite({"gate.py": gate.module, "conftest.py": "import gate\n\ngate.wait('go')\n",
                             **tests("second", 1)}, "second")
        coordinator = self.coordinator()
        command = self.pytest("-q")
        late = self.agent(command, coordinator, index=1, total=2, cwd=second)
        gate.reached("go")
        self.assertEqual(self.agent(command, coordinator, index=0, total=2, cwd=first).wait(), 0)
        gate.open("go")
        self.assertEqual(late.wait(), harness.MISMATCH, late.output)
        self.assertIn("other tests", late.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
