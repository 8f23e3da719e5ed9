"""200 kills of workers at random moments: every test has one result, and only those in hand crashed."""

import collections
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import time
import unittest

import harness
from harness import ElementTree

KILLS = int(os.environ.get("MAKESPAN_KILLS", "200"))
SEED = int(os.environ.get("MAKESPAN_KILLS_SEED", "1"))
FILES, TESTS_OF_FILE = 80, 50

# Each test writes when it begins and when it ends; fixtures of three widths make moments between.
BODY = """
import os, time
import pytest

def note(word, request):
    fd = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND)
    os.write(fd, f"{word} {request.node.nodeid}\\n".encode())
    os.close(fd)

@pytest.fixture(scope="module", autouse=True)
def wide():
    time.sleep(0.004)
    yield
    time.sleep(0.004)

@pytest.fixture(autouse=True)
def narrow():
    time.sleep(0.001)
    yield
    time.sleep(0.001)

@pytest.mark.parametrize("number", range(%d))
def test_it(number, request):
    note("begin", request)
    time.sleep((number %% 7) * 0.005)
    note("end", request)
"""


class KillsTest(harness.TestCase):
    def test_no_result_is_lost_or_doubled(self):
        ledger, junit = self.folder / "ledger", self.folder / "out.xml"
        ledger.touch()
        suite = self.suite({f"test_{file:02}.py": BODY % TESTS_OF_FILE for file in range(FILES)})
        coordinator = self.coordinator()
        agent = self.agent(self.pytest("-q", "--max-worker-restart", "2000", suite), coordinator,
                           workers=4, options=["--junit", str(junit), "--output", "json"],
                           LEDGER=ledger)
        kills = self.kill_workers(agent, ledger)
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertEqual(kills, KILLS, "the suite was over too early")
        self.check_junit(junit)
        closing = json.loads(next(line for line in agent.lines if line.startswith("{")))
        total = FILES * TESTS_OF_FILE
        self.assertEqual((closing["collected"], closing["granted"], closing["finished"],
                          closing["unrun"]), (total, total, total, 0), closing)
        self.assertTrue(closing["complete"], closing)
        self.assertLessEqual(closing["crashed"], kills, closing)
        self.check_ledger(coordinator, ledger, total)

    def kill_workers(self, agent, ledger):
        """Pick a worker, whatever it is doing, and kill it; again, until all kills are spent."""
        chance, killed = random.Random(SEED), set()
        self.assertTrue(self.until(lambda: ledger.stat().st_size > 0))
        (keeper,) = harness.children_of(agent.pid)
        while len(killed) < KILLS and agent.child.poll() is None:
            workers = sorted(set(self.workers_of(keeper)) - killed)
            if workers:
                victim = chance.choice(workers)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    killed.add(victim)
            time.sleep(chance.uniform(0, 0.12))
        return len(killed)

    @staticmethod
    def workers_of(keeper):
        """Workers lead sessions; the command and the zygote do not."""
        found = []
        for pid in harness.children_of(keeper):
            try:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == pid and fields[0] != "Z":
                found.append(pid)
        return found

    @staticmethod
    def until(what, timeout_s=harness.PATIENCE_S):
        deadline = time.monotonic() + timeout_s
        while not what() and time.monotonic() < deadline:
            time.sleep(0.01)
        return what()

    def check_junit(self, junit):
        names = collections.Counter()
        for case in ElementTree.parse(junit).iter("testcase"):
            if not case.get("name").startswith("worker gw"):  # it was killed between tests
                names[case.get("classname"), case.get("name")] += 1
            for part in case:
                if part.tag in ("failure", "error"):
                    self.assertIn("crashed", part.get("message"))
        self.assertEqual(len(names), FILES * TESTS_OF_FILE)
        self.assertEqual([name for name, count in names.items() if count != 1], [])

    def check_ledger(self, coordinator, ledger, total):
        lines = collections.Counter(ledger.read_text().splitlines())
        begun = {line[6:] for line in lines if line.startswith("begin ")}
        ended = {line[4:] for line in lines if line.startswith("end ")}
        self.assertEqual([line for line, count in lines.items() if count > 1], [], "ran twice")
        status, verdict = self.verdict(coordinator)
        counts = verdict["counts"]
        self.assertEqual((status, verdict["complete"], verdict["unrun"]), (1, True, 0), verdict)
        # A worker that died in the teardown of a wide fixture makes its last test an error.
        bad = counts["crashed"] + counts["error"]
        self.assertEqual(counts["passed"] + bad, total, verdict)
        self.assertLessEqual(bad, KILLS, verdict)
        # What passed was run to its end; what did not get there is among the crashed.
        self.assertGreaterEqual(len(ended), counts["passed"])
        self.assertLessEqual(len(begun - ended), counts["crashed"])
        errors = re.search(r"(\d+) errors? of the run", verdict["message"])
        self.assertEqual(bad + int(errors.group(1) if errors else 0), KILLS, verdict)


if __name__ == "__main__":
    unittest.main()
