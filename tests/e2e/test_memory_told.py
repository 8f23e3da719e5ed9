"""What tests and workers needed on one machine is known on the next, which never ran them."""

import json
import os
import unittest

import described
import harness
import memory_group
import relay

MIB = 1 << 20

# Two tests that need 300 MiB for a moment, each telling when; and small ones.
HUNGRY = '''
import os, time, pytest

@pytest.mark.parametrize("n", range(2))
def test_big(n, request):
    begin = time.monotonic()
    big = bytearray(300 << 20)
    time.sleep(0.3)
    del big
    with open(os.environ["RECORD"], "a") as stream:
        stream.write("%f %f\\n" % (begin, time.monotonic()))

@pytest.mark.makespan(mem="65MiB")
def test_marked():
    bytearray(200 << 20)

@pytest.mark.parametrize("n", range(8))
def test_small(n):
    pass
'''

# A worker that has run its first test keeps 120 MiB.
KEEPING = '''
import pytest
kept = []

@pytest.mark.parametrize("n", range(4))
def test_it(n):
    if not kept:
        kept.append(bytearray(b"x") * (120 << 20))
'''


# Dies with 100 MiB in hand, as if the kernel had taken them.
DYING = '''
import os, signal

def test_dies():
    big = bytearray(100 << 20)
    os.kill(os.getpid(), signal.SIGKILL)
'''


class Told(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.real = self.coordinator()
        self.between = relay.Relay(self.real)
        self.between.__enter__()
        self.addCleanup(self.between.__exit__)

    def learn(self, folder):
        """One machine runs it, one test at a time, and is done with."""
        agent = self.agent(self.pytest("-q"), self.between, workers=1, key="run-1", cwd=folder,
                           RECORD=self.folder / "first", XDG_CACHE_HOME=self.folder / "cache-1")
        self.assertEqual(agent.wait(), 0, agent.output)
        self.real.wait_for_line("history_folded")

    def run_fresh(self, folder, workers, limit):
        """Another machine, with little memory and no cache of its own."""
        group = memory_group.make(self, limit)
        words = ["run", "-n", str(workers), "--project", "e2e", "--run-key", "run-2", "--", *self.pytest("-q")]
        env = harness.clean_environ(**self.between.environ(), RECORD=self.folder / "second",
                                    XDG_CACHE_HOME=self.folder / "cache-2")
        agent = self._keep(harness.Process("fresh agent", memory_group.inside(group, [harness.MAKESPAN, *words]), env,
                                           folder))
        self.assertEqual(agent.wait(), 0, agent.output)
        return agent

    def answers(self, operation):
        api = described.Api(harness.ROOT / "docs" / "openapi.yaml")
        faults = {fault for exchange in self.between.exchanges for fault in api.faults(exchange)}
        self.assertEqual(faults, set())
        return [json.loads(exchange.answer) for exchange in self.between.exchanges
                if api.operation(exchange.method, exchange.path) == operation and exchange.status == 200]

    def test_tests_that_need_much_are_kept_apart_on_a_machine_that_never_ran_them(self):
        folder = self.suite({"test_it.py": HUNGRY})
        self.learn(folder)
        status, report = self.real.request("GET", f"/v1/runs/{self.answers('join')[0]['run']}/report")
        self.assertEqual(status, 200)
        needed = {test["id"]: test["mem_mib"] for test in report["tests"]}
        self.assertAlmostEqual(needed["test_it.py::test_big[0]"], 300, delta=15)
        self.assertLess(needed["test_it.py::test_small[0]"], 10)
        self.assertGreater(report["agents"][0]["worker_peak_mib"], 250)
        asked = self.makespan(["status", "--project", "e2e", "--run-key", "run-1"], self.between)
        asked.wait_for_line(r"most memory needed test_it.py::test_big\[[01]\]: (29|30|31)\d MiB")
        agent = self.run_fresh(folder, 2, 600 * MIB)
        [first, second] = [[float(word) for word in line.split()]
                           for line in (self.folder / "second").read_text().splitlines()]
        self.assertLessEqual(first[1], second[0], "both had their memory at once")
        agent.wait_for_line(r"2 tests needed 64 MiB or more in earlier runs: at most \d+ MiB of such at a time")
        heavy = {item["test"][0]: item["mem_mib"] for item in self.answers("collected")[-1]["heavy"]}
        self.assertEqual(heavy.keys(), {"test_it.py::test_big[0]", "test_it.py::test_big[1]", "test_it.py::test_marked"})

    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "one CPU, one worker")
    def test_auto_starts_fewer_workers_where_others_needed_much(self):
        folder = self.suite({"test_it.py": KEEPING})
        self.learn(folder)
        agent = self.run_fresh(folder, "auto", 300 * MIB)
        self.assertGreater(self.answers("join")[-1]["worker_mib"], 110)
        agent.wait_for_line(r"1 worker: memory, on \d+ CPUs; \d+ MiB .*\(recorded by the coordinator\)")
        agent.wait_for_line(r"4 of 4 tests ran here on 1 worker\b")

    def test_a_test_that_was_killed_is_known_by_what_it_had(self):
        folder = self.suite({"test_it.py": DYING})
        agent = self.agent(self.pytest("-q"), self.between, key="run-1", cwd=folder,
                           XDG_CACHE_HOME=self.folder / "cache-1")
        self.assertEqual(agent.wait(), 1, agent.output)
        self.real.wait_for_line("history_folded")
        again = self.agent(self.pytest("-q"), self.between, key="run-2", cwd=folder,
                           XDG_CACHE_HOME=self.folder / "cache-2")
        self.assertEqual(again.wait(), 1, again.output)
        [heavy] = self.answers("collected")[-1]["heavy"]
        self.assertEqual(heavy["test"], ["test_it.py::test_dies", 0])
        self.assertAlmostEqual(heavy["mem_mib"], 100, delta=10)

    def test_where_there_is_room_nothing_is_said_and_nothing_waits(self):
        folder = self.suite({"test_it.py": KEEPING})
        self.learn(folder)
        agent = self.agent(self.pytest("-q"), self.between, workers=2, key="run-2", cwd=folder,
                           XDG_CACHE_HOME=self.folder / "cache-2")
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertNotIn("in earlier runs", agent.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
