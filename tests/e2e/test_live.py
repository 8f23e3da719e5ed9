"""--live and -s show what tests print while they run; a debugger in a worker says where it would work."""

import re
import unittest

import harness

TALKS = """
import os, sys, pytest, gate

@pytest.mark.parametrize("number", range(2))
def test_talks(number):
    print("says", number)
    print("stderr of", number, file=sys.stderr)
    os.system("echo child of %d" % number)
    gate.wait("shown")
    sys.stdout.write("no line feed %d" % number)
"""


class Live(harness.TestCase):
    def talk(self, *words, options=(), workers=2):
        gate = self.gate()
        suite = self.suite({"gate.py": gate.module, "test_it.py": TALKS})
        agent = self.agent(self.pytest("-p", "no:randomly", *words), cwd=suite, workers=workers, options=options)
        return agent, gate

    def check_all(self, agent, gate):
        for number in range(2):  # before the tests have ended
            name = agent.wait_for_line(rf"^(gw\d\| )says {number}$").group(1)
            agent.wait_for_line(rf"^{re.escape(name)}stderr of {number}$")
            agent.wait_for_line(rf"^{re.escape(name)}child of {number}$")
        gate.open("shown")
        self.assertEqual(agent.wait(), 0, agent.output)
        for number in range(2):
            self.assertRegex(agent.output, rf"(?m)^gw\d\| no line feed {number}$")
        self.assertIn("2 passed", agent.output)

    def test_all_workers_are_shown_by_name(self):
        self.check_all(*self.talk(options=["--live"]))

    def test_s_shows_all_workers(self):
        self.check_all(*self.talk("-s"))

    def test_one_worker_is_shown_without_a_name(self):
        agent, gate = self.talk("-rP", options=["--live=gw0"])
        number = int(agent.wait_for_line(r"^says (\d)$").group(1))
        gate.reached("shown", 2)
        gate.open("shown")
        self.assertEqual(agent.wait(), 0, agent.output)
        lines = agent.output.splitlines()
        self.assertIn("2 passed", agent.output)
        shown = lines.index(f"says {number}")
        self.assertNotIn("- Captured stdout call -", "\n".join(lines[:shown + 4]))
        self.assertIn("- Captured stdout call -", agent.output)  # the other worker's, with its report
        self.assertLess(lines.index(f"no line feed {number}"), lines.index(f"says {1 - number}"))

    def test_fixtures_that_capture_still_do(self):
        suite = self.suite({"test_it.py": "def test_a(capsys, capfd=None):\n    print('mine')\n"
                            "    assert capsys.readouterr().out == 'mine\\n'\n    print('and shown')\n"})
        agent = self.agent(self.pytest("-s"), cwd=suite, workers=1)
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertNotIn("mine", agent.output)

    def test_debugger_in_a_worker_is_refused_by_name(self):
        suite = self.suite({"test_it.py": "import pdb, pytest\ndef test_a(): breakpoint()\n"
                            "def test_b(): pytest.set_trace()\ndef test_c(): pdb.set_trace()\ndef test_d(): pass\n"})
        agent = self.agent(self.pytest(), cwd=suite)
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertIn("3 failed, 1 passed", agent.output)
        self.assertEqual(len(re.findall(r"(?m)^E +Failed: a debugger needs a terminal", agent.output)), 3)
        self.assertIn("makespan run -n 0 -- pytest", agent.output)

    def test_wrong_name_of_a_worker_is_usage(self):
        agent = self.agent(self.pytest(), options=["--live=second"])
        self.assertEqual(agent.wait(), harness.USAGE, agent.output)
        self.assertIn("--live is all or the name of a worker, such as gw0, not 'second'", agent.output)

    def test_a_worker_that_is_not_there_is_named(self):
        suite = self.suite({"test_it.py": "def test_it(): pass\n"})
        agent = self.agent(self.pytest(), options=["--live=gw9"], workers=2, cwd=suite)
        self.assertEqual(agent.wait(), harness.USAGE, agent.output)
        self.assertIn("--live=gw9: there is no such worker; with -n 2 the last is gw1", agent.output)
        known_late = self.makespan(["run", "--live=gw9", "--", *self.pytest("-n", "1")], cwd=suite)
        self.assertEqual(known_late.wait(), 0, known_late.output)
        self.assertIn("--live=gw9: there is no such worker, the last is gw0", known_late.output)
        none = self.agent(self.pytest(), options=["--live=gw0"], workers=0, cwd=suite)
        self.assertEqual(none.wait(), 0, none.output)
        self.assertIn("without effect there: --live", none.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
