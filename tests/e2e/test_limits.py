"""Time limits and workers that hang: the right test, phase and stacks; the rest is unharmed."""

import json
import os
import signal
import time
import unittest

import harness
from harness import ElementTree

SLOW = """
import os, signal, subprocess, sys, threading, time
import pytest

def stuck():
    time.sleep(1000)

@pytest.fixture
def up():
    stuck()

@pytest.fixture
def down():
    yield
    stuck()

def test_call():
    print("last words")
    stuck()

def test_set_up(up):
    pass

def test_teardown(down):
    pass

def test_deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    with open(os.environ["CHILD"], "w") as file:
        file.write(str(child.pid))
    stuck()

def test_too_late():
    gone_on = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: gone_on.set())
    gone_on.wait()

@pytest.mark.timeout(0)
def test_no_limit():
    time.sleep(2.5)

@pytest.mark.parametrize("number", range(10))
def test_fine(number):
    pass
"""

WIDE = """
import time, pytest

@pytest.fixture(scope="module")
def wide():
    yield
    time.sleep(1000)

def test_first(wide):
    pass

def test_last(wide):
    pass
"""


# Fixtures that outlive a test go down in its own teardown, or after it when the next test was not known.
TEARDOWN = "in (its teardown|the teardown of wider fixtures)"


def outcomes(path):
    """{name: (failed as, message)} of a JUnit file; no name may be there twice."""
    found = {}
    for case in ElementTree.parse(path).iter("testcase"):
        name = case.get("name")
        bad = [(part.tag, part.get("message"), part.text) for part in case
               if part.tag in ("failure", "error")]
        assert name not in found, f"{name} is reported twice"
        found[name] = bad[0] if bad else ("passed", "", "")
    return found


class LimitTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.junit = self.folder / "out.xml"

    def run_suite(self, files, *options, coordinator=None, workers=2, **env):
        suite = self.suite(files)
        return self.agent(self.pytest("-q", suite), coordinator, workers=workers,
                          options=["--junit", str(self.junit), *options], **env)

    def test_what_runs_is_named_when_none_ends_for_long(self):
        gate = self.gate()
        suite = self.gated_suite(gate, 4)
        agent = self.agent(self.pytest("-q", suite), options=["--slow-after", "300ms"])
        running = r"s; running: \S+::test_gated\[\d\] \(gw[01]\), \S+::test_gated\[\d\] \(gw[01]\)$"
        agent.wait_for_line(r"^makespan: no test has ended for [\d.]+ " + running)
        agent.wait_for_line(r"^makespan: no test has ended for (0\.[6-9]|[1-9]\.)\d* " + running)
        gate.open("go")
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("4 passed", agent.output)
        self.assert_on_lines_of_its_own(agent)

    def test_each_phase_is_named_and_the_rest_runs(self):
        child = self.folder / "child"
        agent = self.run_suite({"test_slow.py": SLOW}, "--timeout", "1", workers=6, CHILD=child)
        self.assertEqual(agent.wait(), 1, agent.output)
        found = outcomes(self.junit)
        for name, phase in (("test_call", "call"), ("test_set_up", "set-up"),
                            ("test_teardown", "teardown")):
            self.assertRegex("".join(found[name]), rf"over its time limit of 1 s in its {phase}")
        self.assertEqual(found["test_call"][0], "failure")
        self.assertEqual((found["test_set_up"][0], found["test_teardown"][0]), ("error", "error"))
        self.assertRegex(found["test_deaf"][1], r"killed by SIGKILL")
        self.assertRegex(found["test_too_late"][1], r"over its time limit")
        passed = [name for name, what in found.items() if what[0] == "passed"]
        self.assertEqual(sorted(passed), sorted([f"test_fine[{i}]" for i in range(10)] + ["test_no_limit"]))
        # The stacks are part of the report, as are the last words.
        self.assertRegex(agent.output, r'(?s)File ".*test_slow.py", line \d+ in stuck\n.* in test_call')
        self.assertIn("last words", agent.output)
        self.assertIn("5 tests were over their time limit; complete", agent.output)
        self.assertNotIn("crashed", agent.output)
        self.assertTrue(harness.gone(int(child.read_text())), "a child of the test was not killed")

    def test_wide_teardown_is_an_error_of_the_last_test(self):
        agent = self.run_suite({"test_wide.py": WIDE}, "--timeout", "500ms",
                               workers=1)
        self.assertEqual(agent.wait(), 1, agent.output)
        found = outcomes(self.junit)
        self.assertEqual(found["test_first"][0], "passed")
        self.assertEqual(found["test_last"][0], "error")
        self.assertRegex(found["test_last"][1], TEARDOWN)
        self.assertIn("in wide", agent.output)

    def test_a_marker_alone_is_enough_and_is_known(self):
        agent = self.run_suite({"test_mark.py": "import time, pytest\n\n@pytest.mark.timeout(0.3)\n"
                                "def test_mark(): time.sleep(1000)\n\ndef test_other(): pass\n",
                                "pytest.ini": "[pytest]\naddopts = --strict-markers\n"})
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertIn("time limit of 0.3 s", outcomes(self.junit)["test_mark"][1])

    def test_a_marker_without_sense_is_a_usage_error(self):
        agent = self.run_suite({"test_mark.py": "import pytest\n\n@pytest.mark.timeout('soon')\n"
                                "def test_mark(): pass\n"})
        self.assertEqual(agent.wait(), 4, agent.output)
        self.assertIn("timeout('soon'): seconds are wanted", agent.output)

    def test_what_marks_say_adds_up(self):
        agent = self.run_suite({"test_mark.py": "import time, pytest\npytestmark = pytest.mark.makespan(timeout=0.3)\n\n"
                                "@pytest.mark.makespan(threads=2)\ndef test_mark(): time.sleep(1000)\n"})
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertIn("time limit of 0.3 s", outcomes(self.junit)["test_mark"][1])

    def test_marks_that_say_no_are_none(self):
        agent = self.run_suite({"test_mark.py": "import pytest\n\n@pytest.mark.makespan(mem=False and '2GiB', threads=False, "
                                "serial=False)\ndef test_mark(): pass\n"})
        self.assertEqual(agent.wait(), 0, agent.output)

    def test_marks_without_sense_are_usage_errors(self):
        for mark, text in (("mem='2QB'", "for example '500MiB' or '2GiB'"), ("mem=-1", "for example"),
                           ("threads='x'", "how many CPUs it takes"), ("thraeds=2", "the words are serial, threads"),
                           ("serial='never'", "True or 'machine'")):
            agent = self.run_suite({"test_mark.py": "import pytest\n\n@pytest.mark.makespan(%s)\n"
                                    "def test_mark(): pass\n" % mark})
            self.assertEqual(agent.wait(), 4, agent.output)
            self.assertIn("test_mark: makespan(%s): %s" % (mark, text), agent.output)

    def test_a_timeout_is_red_in_a_shared_run(self):
        coordinator = self.coordinator()
        agent = self.run_suite({"test_mark.py": "import time, pytest\n\n@pytest.mark.timeout(0.3)\n"
                                "def test_mark(): time.sleep(1000)\n\ndef test_other(): pass\n"},
                               coordinator=coordinator)
        self.assertEqual(agent.wait(), 1, agent.output)
        status, verdict = self.verdict(coordinator)
        self.assertEqual((status, verdict["verdict"], verdict["complete"]), (1, "red", True), verdict)
        self.assertEqual((verdict["counts"]["timeout"], verdict["counts"]["passed"]), (1, 1), verdict)
        merged = outcomes(self.merged(coordinator))
        self.assertIn("in test_mark", "".join(merged["test_mark"]))

    def test_a_worker_that_is_stopped_is_replaced(self):
        agent = self.run_suite({"test_stop.py": "import os, signal\n\ndef test_stop():\n"
                                "    os.kill(os.getpid(), signal.SIGSTOP)\n\n"
                                "def test_other(): pass\n"}, workers=1)
        self.assertEqual(agent.wait(), 1, agent.output)
        found = outcomes(self.junit)
        self.assertIn("was stopped by SIGSTOP", found["test_stop"][1])
        self.assertEqual(found["test_other"][0], "passed")
        self.assertRegex(agent.output, r"File .* in test_stop")

    def test_a_worker_that_does_not_answer_is_ended_and_told(self):
        """The end of its session never comes, and belongs to no test."""
        agent = self.run_suite({"test_fine.py": "def test_fine(): pass\n",
                                "conftest.py": "import time\n\ndef pytest_sessionfinish(session):\n"
                                "    if hasattr(session.config, 'workerinput'):\n"
                                "        time.sleep(1000)\n"}, "--stall-timeout", "1s", workers=1)
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertIn("'gw0' did not answer for 1 s between tests at the end of the session: killed by",
                      agent.output)
        self.assertRegex(agent.output, r"File .* in pytest_sessionfinish")
        self.assertRegex(agent.output, r"(?m)^makespan: worker gw0 does not answer")
        self.assertEqual(outcomes(self.junit)["test_fine"][0], "passed")

    def test_the_limit_of_the_run_ends_it_with_what_it_has(self):
        agent = self.run_suite({"test_long.py": "import time\n\ndef test_a(): pass\n\n"
                                "def test_b(): time.sleep(1000)\n\ndef test_c(): pass\n"},
                               "--run-timeout", "3s", workers=1)
        begun = time.monotonic()
        self.assertEqual(agent.wait(), harness.DRAINED, agent.output)
        self.assertLess(time.monotonic() - begun, 3 + 20)
        self.assertIn("the run's time limit of 3 s is over", agent.output)
        self.assertRegex(agent.output, r"(?s)stacks of gw0, .*::test_b.* in test_b")
        self.assertEqual(outcomes(self.junit)["test_a"][0], "passed")
        self.assertIn("1 of 3 tests ran here", agent.output)

    def test_the_limit_of_the_run_is_named_before_pytest_has_spoken(self):
        self.suite({})
        wrapper = "trap 'exit 130' INT; sleep 1000 & wait"
        agent = self.agent(["sh", "-c", wrapper], options=["--run-timeout", "1s"])
        self.assertEqual(agent.wait(), harness.DRAINED, agent.output)

    def test_the_limit_of_the_run_ends_a_collection(self):
        agent = self.run_suite({"test_never.py": "import time\n\ntime.sleep(1000)\n"},
                               "--run-timeout", "2s")
        self.assertEqual(agent.wait(), harness.DRAINED, agent.output)
        self.assertIn("the run's time limit of 2 s is over", agent.output)

    def test_the_limit_of_the_run_holds_without_workers(self):
        agent = self.run_suite({"test_never.py": "import time\n\ndef test_a(): time.sleep(1000)\n"},
                               "--run-timeout", "2s", workers=0)
        self.assertEqual(agent.wait(), harness.DRAINED, agent.output)
        self.assertIn("KeyboardInterrupt", agent.output)

    def test_an_isolated_test_shows_its_own_stacks(self):
        agent = self.run_suite({"test_alone.py": "import time, pytest\n\n@pytest.mark.forked\n"
                                "def test_alone(): time.sleep(1000)\n\ndef test_other(): pass\n"},
                               "--timeout", "1s")
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertIn("time limit of 1 s", outcomes(self.junit)["test_alone"][1])
        self.assertRegex(agent.output, r"File .* in test_alone")


class LossTest(harness.TestCase):
    def test_losses_are_replaced_as_often_as_was_said(self):
        suite = self.suite({"test_die.py": "import os, pytest\n\n"
                            "@pytest.mark.parametrize('number', range(4))\n"
                            "def test_die(number): os._exit(3)\n"})
        agent = self.agent(self.pytest("-q", "--max-worker-restart", "1", suite), workers=1,
                           options=["--output", "json"])
        self.assertEqual(agent.wait(), 2, agent.output)
        self.assertIn("2 workers were lost: from now on none is replaced (--max-worker-restart 1)",
                      agent.output)
        closing = json.loads(next(line for line in agent.lines if line.startswith("{")))
        self.assertEqual((closing["crashed"], closing["finished"], closing["complete"]), (2, 2, False))

    def test_the_last_test_may_use_up_the_replacements(self):
        """Nothing is left that could not run."""
        suite = self.suite({"test_die.py": "import os\n\ndef test_fine(): pass\ndef test_die(): os._exit(3)\n"})
        agent = self.agent(self.pytest("-q", "--max-worker-restart", "0", suite), workers=1)
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertIn("1 failed, 1 passed", agent.output)
        self.assertNotIn("did not run", agent.output)

    def test_a_death_tells_how_far_the_memory_grew(self):
        """What the worker shares with its zygote does not count."""
        suite = self.suite({"test_grow.py": "import os\n\nBEFORE = b'x' * (200 << 20)\n\n"
                            "def test_grow():\n    grown = b'x' * (100 << 20)\n    os.abort()\n"})
        agent = self.agent(self.pytest("-q", suite), workers=1)
        self.assertEqual(agent.wait(), 1, agent.output)
        grown = agent.wait_for_line(r"killed by SIGABRT \(6\), its memory grew by up to (\d+) MiB")
        self.assertTrue(100 <= int(grown.group(1)) < 130, grown.group(0))

    @unittest.skipUnless(harness.pathlib.Path("/proc/sys/kernel/core_pattern").read_text()[0] not in "|/",
                         "the kernel puts memory images elsewhere")
    def test_a_death_tells_where_the_core_is(self):
        suite = self.suite({"test_core.py": "import os\n\ndef test_core(): os.abort()\n"})
        shell = ["sh", "-c", 'ulimit -c unlimited && exec "$@"', "sh"]
        agent = self._keep(harness.Process(
            "agent", [*shell, harness.MAKESPAN, "run", "-n", "1", "--", *self.pytest("-q", suite)],
            harness.clean_environ(), self.folder))
        self.assertEqual(agent.wait(), 1, agent.output)
        core = agent.wait_for_line(r"killed by SIGABRT \(6\).*, core dumped: (\S+)").group(1)
        self.assertTrue(core.startswith(str(self.folder)) and os.path.exists(core), core)

    def test_a_death_in_the_teardown_of_a_wide_fixture_is_the_last_tests_error(self):
        suite = self.suite({"test_wide.py": WIDE.replace("time.sleep(1000)", "__import__('os')._exit(9)")})
        junit = self.folder / "out.xml"
        agent = self.agent(self.pytest("-q", suite), workers=1, options=["--junit", junit])
        self.assertEqual(agent.wait(), 1, agent.output)
        found = outcomes(junit)
        self.assertEqual((found["test_first"][0], found["test_last"][0]), ("passed", "error"))
        self.assertRegex(found["test_last"][1], rf"crashed .*{TEARDOWN}.*: exit status 9")


class StacksTest(harness.TestCase):
    def test_sigquit_shows_the_stacks_and_the_run_goes_on(self):
        gate = self.gate()
        suite = self.gated_suite(gate, 2)
        agent = self.agent(self.pytest("-q", suite))
        gate.reached("go", 2)
        os.killpg(agent.pid, signal.SIGQUIT)  # as a terminal does
        agent.wait_for_line(r"in test_gated")
        gate.open("go")
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("stacks of gw0", agent.output)


if __name__ == "__main__":
    unittest.main()
