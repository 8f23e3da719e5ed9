"""Whoever is killed, however roughly: nothing outlives the run, and what was left behind is named."""

import json
import os
import pathlib
import signal
import time
import unittest

import harness

# A test whose child has a session of its own, out of reach of any signal to a group.
BODY = """child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    gate.mark("child-%d" % child.pid)
    gate.wait("go")
    child.kill()"""

LEFT = """
import os, signal, subprocess, time

def test_own_session():
    subprocess.Popen(["sleep", "1001"], start_new_session=True)
    time.sleep(0.1)

def test_clean_environment():
    time.sleep(0.3)  # when a process began is all that is known of it
    subprocess.Popen(["sleep", "1002"], env={"PATH": os.environ["PATH"]})
    time.sleep(0.3)

def test_fork():
    time.sleep(0.1)
    if os.fork() == 0:
        time.sleep(1000)
    time.sleep(0.1)

def test_gone_by_itself():
    subprocess.Popen(["sleep", "0"])
"""


def state_of(pid):
    """R, S, T (stopped), Z …; "" when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def parent_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def until(what, timeout_s=20):
    """For what leaves no event to wait for: the state of a process."""
    deadline = time.monotonic() + timeout_s
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class OrphanTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.gate_ = self.gate()
        suite = self.gated_suite(self.gate_, 2, body=BODY)
        for file in suite.glob("test_*.py"):
            file.write_text("import subprocess\n" + file.read_text())
        self.agent_ = self.agent(self.pytest("-q", suite))
        self.workers = self.gate_.reached("go", 2)
        self.children = [int(word[6:]) for word, _ in self.gate_.marks if word.startswith("child-")]
        self.keeper = parent_of(self.workers[0])
        # The command is the keeper's first child; below it is what forks the zygote, which is
        # handed over to the keeper as the workers are.
        self.reporter, self.zygote = [pid for pid in harness.children_of(self.keeper)
                                      if pid not in self.workers]
        (self.forker,) = harness.children_of(self.reporter)  # it may have ended its work already

    def assert_all_gone(self):
        for pid in [*self.workers, *self.children, self.keeper, self.reporter, self.forker,
                    self.zygote]:
            self.assertTrue(harness.gone(pid, 15), f"{pid} lives on")

    def test_nothing_outlives_a_killed_agent(self):
        self.agent_.kill9()
        self.assert_all_gone()

    def test_nothing_outlives_a_killed_keeper(self):
        os.kill(self.keeper, signal.SIGKILL)
        self.assertEqual(self.agent_.wait(), 70, self.agent_.output)
        self.assertIn("the keeper process was killed", self.agent_.output)
        self.assert_all_gone()

    def test_nothing_outlives_a_killed_reporter(self):
        os.kill(self.reporter, signal.SIGKILL)
        self.assertNotEqual(self.agent_.wait(), 0, self.agent_.output)
        self.assertIn("pytest ended before its tests did: SIGKILL", self.agent_.output)
        self.assert_all_gone()

    def test_workers_go_on_without_their_zygote(self):
        os.kill(self.zygote, signal.SIGKILL)
        self.gate_.open("go")
        self.assertEqual(self.agent_.wait(), 0, self.agent_.output)
        self.assertIn("2 passed", self.agent_.output)
        self.assert_all_gone()

    def test_ctrl_c_ends_within_a_second(self):
        begun = time.monotonic()
        self.agent_.signal(signal.SIGINT)
        self.assertEqual(self.agent_.wait(), 2, self.agent_.output)
        # 1 s on a quiet machine; tests share theirs.
        self.assertLess(time.monotonic() - begun, 4, self.agent_.output)
        self.assertIn("KeyboardInterrupt", self.agent_.output)
        self.assert_all_gone()

    def test_ctrl_c_twice_ends_at_once(self):
        self.agent_.signal(signal.SIGTERM)
        self.agent_.wait_for_line("^makespan: stopping")
        self.agent_.signal(signal.SIGINT)
        self.assertEqual(self.agent_.wait(), 128 + signal.SIGINT, self.agent_.output)
        self.assert_all_gone()

    def test_a_hang_up_lets_tests_end_and_is_named(self):
        self.agent_.signal(signal.SIGHUP)
        self.agent_.wait_for_line(r"^makespan: stopping: SIGHUP \(1\); running tests have 5000 ms to end")
        self.gate_.open("go")
        self.assertEqual(self.agent_.wait(), 0, self.agent_.output)
        self.assertIn("2 passed", self.agent_.output)
        self.assert_all_gone()

    def test_ctrl_z_stops_the_workers_and_fg_goes_on(self):
        everybody = [pid for pid in (*self.workers, self.reporter, self.forker, self.zygote,
                                     self.agent_.pid) if state_of(pid) not in ("", "Z")]
        self.agent_.signal(signal.SIGTSTP)
        self.assertTrue(until(lambda: all(state_of(pid) == "T" for pid in everybody)),
                        [state_of(pid) for pid in everybody])
        self.agent_.signal(signal.SIGCONT)
        self.assertTrue(until(lambda: all(state_of(pid) != "T" for pid in everybody)),
                        [state_of(pid) for pid in everybody])
        self.gate_.open("go")
        self.assertEqual(self.agent_.wait(), 0, self.agent_.output)


class StandsStillTest(harness.TestCase):
    """Ctrl-Z: no time limit runs meanwhile, and none is longer after it."""

    def stand_still(self, body, *options):
        gate = self.gate()
        suite = self.suite({"gate.py": gate.module, "test_it.py": "import gate, os, time\n" + body})
        agent = self.agent(self.pytest("-q", suite), workers=1, options=options)
        gate.reached("go")
        agent.signal(signal.SIGTSTP)
        self.assertTrue(until(lambda: state_of(agent.pid) == "T"))
        time.sleep(4)  # what is tested is that this time does not count
        agent.signal(signal.SIGCONT)
        began = time.monotonic()
        gate.open("go")
        return agent, began

    def test_a_limit_of_a_test_is_neither_shorter_nor_longer(self):
        agent, began = self.stand_still("def test_it():\n    gate.wait('go')\n    time.sleep(1000)\n",
                                        "--timeout", "2s")
        agent.wait_for_line("is over its time limit")
        took = time.monotonic() - began
        self.assertGreater(took, 0.5, agent.output)
        self.assertLess(took, 3.5, agent.output)
        self.assertEqual(agent.wait(), 1, agent.output)

    def test_a_test_that_dies_at_once_took_no_negative_time(self):
        agent, _ = self.stand_still("def test_it():\n    gate.wait('go')\n    os._exit(3)\n",
                                    "--timeout", "3s", "--output", "json")
        self.assertEqual(agent.wait(), 1, agent.output)
        closing = json.loads(next(line for line in agent.lines if line.startswith("{")))
        self.assertLess(closing["work_us"], 60e6, closing)

    def test_the_limit_of_the_run_stands_still_as_well(self):
        agent, began = self.stand_still("def test_it(): gate.wait('go')\n", "--run-timeout", "4s")
        self.assertEqual(agent.wait(), 0, agent.output)


class LeftTest(harness.TestCase):
    def test_what_is_left_behind_is_named_and_ended(self):
        suite = self.suite({"test_left.py": LEFT})
        agent = self.agent(self.pytest("-q", suite), options=["--output", "json"])
        self.assertEqual(agent.wait(), 0, agent.output)
        closing = json.loads(next(line for line in agent.lines if line.startswith("{")))
        left = {stray["command"]: stray for stray in closing["left_behind"]}
        self.assertEqual(len(left), 3, closing)
        own, clean = left.pop("sleep 1001"), left.pop("sleep 1002")
        self.assertTrue(own["test"].endswith("::test_own_session") and own["sure"], own)
        self.assertTrue(clean["test"].endswith("::test_clean_environment") and clean["sure"], clean)
        (forked,) = left.values()
        self.assertTrue(forked["test"].endswith("::test_fork") and forked["sure"], forked)
        for stray in closing["left_behind"]:
            self.assertTrue(harness.gone(stray["pid"], 5), stray)
        self.assertIn("3 processes were left behind, ended now", agent.output)

    def test_a_detached_child_does_not_hold_the_output(self):
        """Also without workers, where it has pytest's own stdout: a CI step waits for its end."""
        suite = self.suite({"test_hold.py": "import subprocess\n\ndef test_hold(capfd):\n"
                            "    with capfd.disabled():\n"
                            "        subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"})
        for workers in (0, 1):
            agent = self.agent(self.pytest("-q", suite), workers=workers)
            self.assertEqual(agent.wait(), 0, agent.output)
            agent._reader.join(20)
            self.assertFalse(agent._reader.is_alive(), "the pipe is still held")


if __name__ == "__main__":
    unittest.main()
