"""Resources of one machine, as real suites meet them: workers that are replaced, tests that need CPUs or
memory of their own, threads of numerical libraries, and memory that runs short."""

import json
import os
import re
import resource
import subprocess
import unittest

import harness
import memory_group

# Every test appends one line: its name, worker, process, begin and end.
RECORD = '''
import os, time
import pytest

@pytest.fixture(autouse=True)
def record(request, worker_id):
    begin = time.monotonic()
    yield
    with open(os.environ["RECORD"], "a") as stream:
        stream.write("%s %s %d %f %f\\n" % (request.node.name, worker_id, os.getpid(), begin, time.monotonic()))
'''


class Ran:
    def __init__(self, line):
        self.name, self.worker, pid, begin, end = line.split()
        self.pid, self.begin, self.end = int(pid), float(begin), float(end)

    def overlaps(self, other):
        return self.begin < other.end and other.begin < self.end


class MemoryTest(harness.TestCase):
    def run_suite(self, files, *options, workers=2, words=(), **env):
        """(the agent's process after its end, what ran)."""
        folder = self.suite({"conftest.py": RECORD, **files})
        record = self.folder / "record"
        agent = self.agent(self.pytest("-q", *words), workers=workers, options=options, cwd=folder, RECORD=record,
                           XDG_CACHE_HOME=self.folder / "cache", **env)
        agent.wait()
        lines = record.read_text().splitlines() if record.exists() else []
        record.unlink(missing_ok=True)
        return agent, [Ran(line) for line in lines]

    def assert_apart(self, ran, names):
        """No test of these runs while another of them does."""
        chosen = [test for test in ran if re.sub(r"\[.*", "", test.name) in names]
        self.assertGreater(len(chosen), 1)
        for i, test in enumerate(chosen):
            for other in chosen[:i]:
                self.assertFalse(test.overlaps(other), f"{test.name} and {other.name} overlapped")


class Recycling(MemoryTest):
    FIXTURE = '''
import os, pytest

@pytest.fixture(scope="module")
def wide():
    yield
    with open(os.environ["RECORD"] + ".torn", "a") as stream:
        stream.write("%d\\n" % os.getpid())
    if os.environ.get("TEARDOWN_FAILS"):
        raise OSError("no teardown")
'''

    def test_a_worker_ends_after_its_tests_and_its_name_goes_on(self):
        for start in ("fork", "early"):
            with self.subTest(start=start):
                agent, ran = self.run_suite({"test_it.py": self.FIXTURE + '''
@pytest.mark.parametrize("n", range(25))
def test_it(wide, n):
    pass
'''}, "--recycle-after", "5", "--start", start, "--output", "json")
                self.assertEqual(agent.child.returncode, 0, agent.output)
                self.assertEqual(len(ran), 25)
                by_pid = {pid: [test for test in ran if test.pid == pid] for pid in {test.pid for test in ran}}
                self.assertLessEqual(max(map(len, by_pid.values())), 5)
                self.assertGreaterEqual(len(by_pid), 5)
                self.assertLessEqual({test.worker for test in ran}, {"gw0", "gw1"})
                self.assertEqual(json.loads(agent.lines[-1])["crashed"], 0)
                torn = (self.folder / "record.torn")
                self.assertEqual(sorted(map(int, torn.read_text().split())), sorted(by_pid))
                torn.unlink()

    def test_a_teardown_that_fails_when_the_worker_is_replaced_is_red(self):
        agent, ran = self.run_suite({"test_it.py": self.FIXTURE + '''
@pytest.mark.parametrize("n", range(6))
def test_it(wide, n):
    pass
'''}, "--recycle-after", "3", workers=1, TEARDOWN_FAILS="1")
        self.assertEqual(agent.child.returncode, 1, agent.output)
        self.assertIn("6 passed, 2 errors", agent.output)

    def test_a_worker_that_has_grown_is_replaced(self):
        agent, ran = self.run_suite({"test_it.py": '''
import time, pytest
kept = []

@pytest.mark.parametrize("n", range(8))
def test_it(n):
    kept.append(bytearray(40 << 20))
    assert len(kept) <= 4
    time.sleep(0.15)  # looked at ten times a second at most
'''}, "--recycle-above", "100MiB", workers=1)
        self.assertEqual(agent.child.returncode, 0, agent.output)
        self.assertGreater(len({test.pid for test in ran}), 1)


class Flags(MemoryTest):
    BODY = '''
import time, pytest

def wait():
    time.sleep(0.05)

@pytest.mark.parametrize("n", range(8))
def test_plain(n):
    wait()
'''

    def test_a_serial_test_has_the_machine_alone(self):
        agent, ran = self.run_suite({"test_it.py": self.BODY + '''
@pytest.mark.makespan(serial=True)
@pytest.mark.parametrize("n", range(2))
def test_alone(n):
    wait()
'''}, workers=3)
        self.assertEqual(agent.child.returncode, 0, agent.output)
        self.assertEqual(len(ran), 10)
        for alone in (test for test in ran if test.name.startswith("test_alone")):
            self.assertEqual([test.name for test in ran if test is not alone and test.overlaps(alone)], [])

    def test_a_benchmark_has_the_machine_alone(self):
        agent, ran = self.run_suite({"test_it.py": self.BODY + '''
@pytest.fixture
def benchmark():
    return wait

def test_speed(benchmark):
    benchmark()
'''}, workers=3)
        self.assertEqual(agent.child.returncode, 0, agent.output)
        alone = next(test for test in ran if test.name == "test_speed")
        self.assertEqual([test.name for test in ran if test is not alone and test.overlaps(alone)], [])

    def test_threads_count_as_workers(self):
        """Of three workers a test with three threads takes all, one with two leaves one free."""
        agent, ran = self.run_suite({"test_it.py": self.BODY + '''
@pytest.mark.makespan(threads=3)
@pytest.mark.parametrize("n", range(2))
def test_three(n):
    wait()

@pytest.mark.makespan(threads=2)
@pytest.mark.parametrize("n", range(3))
def test_two(n):
    wait()
'''}, workers=3)
        self.assertEqual(agent.child.returncode, 0, agent.output)
        self.assertEqual(len(ran), 13)
        width = {"test_three": 3, "test_two": 2, "test_plain": 1}
        cpus = max(3, os.cpu_count())
        for test in ran:
            beside = [other for other in ran if other.begin <= test.begin < other.end]
            self.assertLessEqual(sum(width[other.name.partition("[")[0]] for other in beside), cpus)

    def test_memory_that_does_not_fit_together_is_used_in_turn(self):
        agent, ran = self.run_suite({"test_it.py": self.BODY + '''
@pytest.mark.makespan(mem="100000GiB")
@pytest.mark.parametrize("n", range(3))
def test_huge(n):
    wait()
'''}, workers=3)
        self.assertEqual(agent.child.returncode, 0, agent.output)
        self.assertEqual(len(ran), 11)
        self.assert_apart(ran, {"test_huge"})


class Libraries(MemoryTest):
    TEST = '''
import os

def test_threads():
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    with open(os.environ["RECORD"] + ".env", "w") as stream:
        stream.write(" ".join(os.environ.get(name, "-") for name in names))
'''
    SEEN = '''
import os
SEEN = os.environ.get("OMP_NUM_THREADS")  # as a conftest that imports numpy would

def pytest_collection_finish():
    assert SEEN is None or SEEN == os.environ["OMP_NUM_THREADS"]
'''

    def variables(self, workers, **env):
        agent, _ = self.run_suite({"test_it.py": self.TEST, "conftest.py": self.SEEN}, workers=workers, **env)
        self.assertEqual(agent.child.returncode, 0, agent.output)
        return (self.folder / "record.env").read_text().split()

    def test_threads_of_libraries_share_the_cpus(self):
        share = str(max(1, len(os.sched_getaffinity(0)) // 2))
        clean = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"))
        before = {name: os.environ.pop(name) for name in clean if name in os.environ}
        self.addCleanup(os.environ.update, before)
        self.assertEqual(self.variables(2), [share] * 4)
        self.assertEqual(self.variables(1), ["-"] * 4)
        self.assertEqual(self.variables(2, MKL_NUM_THREADS="7"), [share, share, "7", share])
        self.assertEqual(self.variables(2, OMP_NUM_THREADS="5"), ["5", "-", "-", share])


class Figures(MemoryTest):
    def test_the_hungriest_tests_are_named_and_remembered(self):
        files = {"test_it.py": '''
import pytest

def test_small():
    pass

@pytest.mark.parametrize("mib", [90, 150])
def test_big(mib):
    bytearray(mib << 20)

def test_files():
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == 512  # the agent has more, for itself

def test_oom_score():
    with open("/proc/self/oom_score_adj") as stream:
        assert int(stream.read()) > 0
'''}
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        agent, _ = self.run_suite(files, "--output", "json")
        self.assertEqual(agent.child.returncode, 0, agent.output)
        report = json.loads(agent.lines[-1])
        first, second = report["hungriest"][:2]
        self.assertEqual((first["id"], second["id"]), ("test_it.py::test_big[150]", "test_it.py::test_big[90]"))
        self.assertAlmostEqual(first["bytes"] / (150 << 20), 1, delta=0.1)
        self.assertGreater(report["worker_bytes"], 1 << 20)
        [kept] = (self.folder / "cache").glob("makespan/memory/*.json")
        rows = json.loads(kept.read_text())["tests"]
        self.assertEqual({row[0] for row in rows}, {"test_it.py::test_big[150]", "test_it.py::test_big[90]"})


class Shortage(MemoryTest):
    """In a control group with a limit of its own, where this machine lets us make one."""

    def run_inside(self, group, folder, workers):
        command = [harness.MAKESPAN, "run", "-n", workers, "--", *self.pytest("-q")]
        done = subprocess.run(
            memory_group.inside(group, command), cwd=folder,
            env=harness.clean_environ(XDG_CACHE_HOME=self.folder / "cache", RECORD=self.folder / "record"),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        text = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, text)
        return text

    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "one CPU, one worker")
    def test_auto_starts_what_is_affordable_and_more_once_it_is_measured(self):
        """300 MiB are enough for one worker of whom nothing is known, and for many that are small."""
        group = memory_group.make(self, 300 << 20)
        folder = self.suite({"test_it.py": '''
import os, time, pytest

@pytest.mark.parametrize("n", range(16))
def test_it(n, worker_id):
    with open("/proc/self/stat") as stat:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
    with open(os.environ["RECORD"], "a") as stream:
        stream.write("%s %f\\n" % (worker_id, ticks / os.sysconf("SC_CLK_TCK")))
    time.sleep(0.2)
'''})
        # The second is asked for when the first was up for a second and was looked at: that is the least. Once it
        # is known, both are asked for at once, and on a slow machine one of three runs tells.
        self.assertGreater(self.seconds_between_starts(group, folder), 0.9)
        self.assertTrue(any(self.seconds_between_starts(group, folder) < 0.9 for _ in range(3)), "now it is known")

    def seconds_between_starts(self, group, folder):
        """Of the first two worker processes of a run, as the kernel tells."""
        text = self.run_inside(group, folder, "auto")
        record = self.folder / "record"
        started = dict(line.split() for line in record.read_text().splitlines())
        record.unlink()
        self.assertLessEqual({"gw0", "gw1"}, started.keys(), text)
        return abs(float(started["gw1"]) - float(started["gw0"]))

    def test_workers_leave_before_the_kernel_kills(self):
        """Four workers keep 60 MiB each, then more: not all of them fit."""
        group = memory_group.make(self, 400 << 20)
        folder = self.suite({"test_it.py": '''
import time, pytest
kept = []

@pytest.mark.parametrize("n", range(40))
def test_it(n):
    if len(kept) < 9:
        kept.append(bytearray(b"x") * (12 << 20))
    time.sleep(0.15)
'''})
        text = self.run_inside(group, folder, "4")
        self.assertIn("40 passed", text)
        self.assertEqual(text.count("memory is short"), 1, text)
        retired = re.search(r"memory was short: (\d+) worker", text)
        self.assertIn(int(retired.group(1)), range(1, 9), text)


if __name__ == "__main__":
    unittest.main()
