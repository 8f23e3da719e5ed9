"""What users of pytest-xdist and its kin have lost silently, and what is easy to get wrong: here it is not.

Each suite runs by Makespan, which must keep every test. Where pytest-xdist is installed it runs the
same suite, so that the difference stays a fact: `loses` is what was seen of 3.1. Another version may
do better; then that is printed, and nothing fails."""

import collections
import importlib.util
import json
import os
import re
import subprocess
import sys
import unittest

import harness

XDIST = importlib.util.find_spec("xdist") or os.path.isdir("/usr/lib/python3/dist-packages/xdist")
NOTE = """
import os
def note(*words):
    line = " ".join(str(word) for word in words) + "\\n"
    with open(os.environ["NOTES"], "ab", buffering=0) as file:
        file.write(line.encode())
"""


class PeersTest(harness.TestCase):
    def notes(self):
        """What the tests of the last run noted, and forget it."""
        path = self.folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def run_here(self, suite, *words, workers=2, options=(), **env):
        run = self.agent(self.pytest("-v", *words), workers=workers, options=options, cwd=suite,
                         NOTES=self.folder / "notes", **env)
        run.wait()
        return run

    def xdist(self, suite, *words, workers=2, loses, timeout_s=20):
        """The same by pytest-xdist. loses: whether (status, output, notes) show what is lost there."""
        if not XDIST:
            return
        command = [harness.PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "-v", "-n", str(workers), *words]
        run = self._keep(harness.Process("xdist", command, harness.clean_environ(NOTES=self.folder / "notes"), suite))
        try:
            status = run.child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            status = None  # it hangs
        run.end()
        if not loses(status, run.output, self.notes()):
            print(f"{self.id()}: the pytest-xdist installed here does not lose this", file=sys.stderr)

    def counts(self, run):
        """The numbers of pytest's last line."""
        last = [line for line in run.lines if re.search(r"=+ .* in [\d.]+s", line)][-1]
        return {word.rstrip("s"): int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", last)}


DIES = "import os\ndef test_dies(): os.kill(os.getpid(), 9)\n"


class SilentLosses(PeersTest):
    def test_replacement_collects_in_another_order(self):
        """xdist's replacement is told positions of the old order: some tests never run, others twice."""
        suite = self.suite({
            "conftest.py": "import os, random\ndef pytest_collection_modifyitems(items):\n"
                           "    random.Random(os.getpid()).shuffle(items) if os.environ.get('AGAIN') else None\n"
                           "    if os.environ.get('PYTEST_XDIST_WORKER') == 'gw1': items.reverse()\n",
            "test_a.py": NOTE + "import pytest\n@pytest.mark.parametrize('n', range(10))\n"
                                "def test_n(n):\n    note(n)\n    if n == 3: os.kill(os.getpid(), 9)\n"})
        run = self.run_here(suite, workers=1)
        self.assertEqual(run.child.returncode, 1, run.output)
        self.assertEqual(sorted(map(int, self.notes())), list(range(10)))
        self.assertEqual(self.counts(run), {"failed": 1, "passed": 9})
        self.xdist(suite, workers=1, loses=lambda status, output, notes: sorted(map(int, notes)) != list(range(10)))

    def test_crash_under_loadfile(self):
        """xdist runs the test that kills again and again, and then never the rest of its file."""
        suite = self.suite({"test_a.py": NOTE + DIES + "".join(f"def test_{c}(): note('{c}')\n" for c in "xyz")})
        run = self.run_here(suite, "--dist=loadfile")
        self.assertEqual(self.counts(run), {"failed": 1, "passed": 3})
        self.assertEqual(sorted(self.notes()), list("xyz"))
        self.xdist(suite, "--dist=loadfile", loses=lambda status, output, notes: sorted(notes) != list("xyz"))

    def test_crash_under_loadgroup(self):
        """Newer xdist hangs here; tests of groups that were done are asked for again."""
        suite = self.suite({"test_a.py": NOTE + "import pytest\n" + "".join(
            f"@pytest.mark.xdist_group('{c}')\ndef test_{c}(): note('{c}')\n" for c in "abc") +
            "@pytest.mark.xdist_group('a')\n" + DIES.partition("\n")[2] +
            "@pytest.mark.xdist_group('a')\ndef test_last(): note('last')\n"})
        run = self.run_here(suite, "--dist=loadgroup", workers=1)
        self.assertEqual(self.counts(run), {"failed": 1, "passed": 4})
        self.assertEqual(sorted(self.notes()), ["a", "b", "c", "last"])

    def test_one_file_named_twice_under_loadfile(self):
        """One id twice is two tests; xdist keeps one of them, and is green."""
        suite = self.suite({"test_a.py": NOTE + "def test_x(): note('x')\ndef test_y(): note('y')\n"})
        words = ["--dist=loadfile", "--keep-duplicates", "test_a.py", "test_a.py"]
        run = self.run_here(suite, *words)
        self.assertEqual((run.child.returncode, self.counts(run)), (0, {"passed": 4}), run.output)
        self.assertEqual(sorted(self.notes()), list("xxyy"))
        self.xdist(suite, *words, loses=lambda status, output, notes: len(notes) < 4)

    def test_first_failure_stops_all(self):
        """xdist goes on with all that every worker had been given, and exits with 2."""
        suite = self.suite({"test_a.py": NOTE + "import pytest, time\n@pytest.mark.parametrize('n', range(200))\n"
                                                "def test_n(n):\n    note(n)\n    time.sleep(0.01)\n    assert n\n"})
        run = self.run_here(suite, "-x", workers=4)
        self.assertEqual(run.child.returncode, 1, run.output)
        self.assertRegex(run.output, "stopping after 1 failures")
        ran = len(self.notes())
        self.assertLessEqual(ran, 30)  # those in flight, and what ends before the word is round
        self.xdist(suite, "-x", workers=4, loses=lambda status, output, notes: status == 2 and len(notes) > ran + 20)

    def test_no_restart_allowed(self):
        """What could not run is counted, and red. xdist's status is red only because of the crash."""
        suite = self.suite({"test_a.py": NOTE + DIES + "".join(f"def test_{n}(): note('{n}')\n" for n in range(5))})
        run = self.run_here(suite, "--max-worker-restart=0", workers=1)
        self.assertNotEqual(run.child.returncode, 0)
        self.assertRegex(run.output, r"1 of 6 tests ran here.*not complete")
        self.xdist(suite, "--max-worker-restart=0", workers=1,
                   loses=lambda status, output, notes: not re.search(r"not run|unrun|5 ", output.split("=====")[-1]))

    def test_durations_of_zero(self):
        """A recorded crash is a zero for pytest-split, and its chunks then end in an IndexError."""
        suite = self.suite({"test_a.py": "".join(f"def test_{n}(): pass\n" for n in range(3)),
                            ".test_durations": json.dumps({f"test_a.py::test_{n}": 0 for n in range(3)})})
        ran = collections.Counter()
        for index in range(2):
            run = self.run_here(suite, workers=1, options=["--index", str(index), "--total", "2", "--algorithm",
                                                           "duration_based_chunks"])
            self.assertEqual(run.child.returncode, 0, run.output)
            ran.update(re.findall(r"::(test_\d) PASSED", run.output))
        self.assertEqual(ran, {"test_0": 1, "test_1": 1, "test_2": 1})


class Subtle(PeersTest):
    """The thirteen things that a replacement of xdist gets wrong first, in that order."""

    WHERE = NOTE + ("import pytest\n@pytest.mark.parametrize('ip', ['::1', 'a@b', 'x::y[z', ']::', '[@g]'])\n"
                    "def test_ip(ip): note(__name__, os.getpid())\n"
                    "class TestC:\n    @pytest.mark.parametrize('v', ['::', 'b'])\n"
                    "    def test_v(self, v): note(__name__ + '.C', os.getpid())\n")

    def test_01_scope_ends_before_the_parameters(self):
        """'::' in a parameter begins no scope: a module, a class stay in one worker."""
        suite = self.suite({f"test_{c}.py": self.WHERE for c in "abcd"})
        run = self.run_here(suite, "--dist=loadscope", workers=3)
        self.assertEqual(self.counts(run), {"passed": 28})
        where = collections.defaultdict(set)
        for line in self.notes():
            scope, pid = line.split()
            where[scope].add(pid)
        self.assertEqual({scope: len(pids) for scope, pids in where.items()}, dict.fromkeys(where, 1))
        self.assertEqual(len(where), 8)

    def test_02_groups_stay_out_of_ids(self):
        suite = self.suite({"te@st/test_g.py": NOTE + "import pytest\npytestmark = pytest.mark.xdist_group('m')\n"
                            "@pytest.mark.xdist_group(name='g')\n@pytest.mark.parametrize('a', ['x@y', '[@]'])\n"
                            "def test_a(a): note(os.getpid())\n\ndef test_b(): note('b')\n"})
        xml = self.folder / "g.xml"
        run = self.run_here(suite, "--dist=loadgroup", f"--junit-xml={xml}")
        ids = set(re.findall(r"^(\S+) PASSED", run.output, re.M))
        self.assertEqual(ids, {f"te@st/test_g.py::{name}" for name in ("test_a[x@y]", "test_a[[@]]", "test_b")})
        names = {case.get("name") for case in harness.ElementTree.parse(xml).iter("testcase")}
        self.assertEqual(names, {"test_a[x@y]", "test_a[[@]]", "test_b"})
        self.assertEqual(len(set(self.notes()) - {"b"}), 1)  # one group, one worker

    def test_03_fixtures_live_as_long_as_in_a_serial_run(self):
        suite = self.suite({
            "conftest.py": NOTE + "import pytest\n" + "".join(
                f"@pytest.fixture(scope='{scope}')\ndef {scope}_wide():\n    note('up {scope}')\n    yield\n"
                f"    note('down {scope}')\n" for scope in ("session", "module", "class")),
            **{f"test_{c}.py": "class TestC:\n" + "".join(
                f"    def test_{n}(self, session_wide, module_wide, class_wide): pass\n" for n in range(4))
               for c in "ab"}})
        self.run_here(suite, workers=1)
        one = self.notes()
        self.assertEqual(one, ["up session"] + ["up module", "up class", "down class", "down module"] * 2
                         + ["down session"])
        self.run_here(suite, workers=2)
        two = collections.Counter(self.notes())
        for scope, most in (("session", 2), ("module", 4), ("class", 4)):
            self.assertLessEqual(two[f"up {scope}"], most)
            self.assertEqual(two[f"up {scope}"], two[f"down {scope}"])

    def test_04_no_test_waits_behind_a_long_one(self):
        """The first test ends when all others have: none may be pinned to its worker. (It is known to be
        long; behind a test without any history one other may wait: docs/decisions/0201.)"""
        suite = self.suite({"test_a.py": NOTE + "import time\ndef test_long():\n    end = time.monotonic() + 5\n"
                            "    while os.environ['WAIT']:\n"
                            "        try: done = open(os.environ['NOTES']).read().count('short')\n"
                            "        except OSError: done = 0\n"
                            "        if done == 6: return\n"
                            "        assert time.monotonic() < end\n        time.sleep(0.01)\n"
                            "    time.sleep(0.2)\n"
                            + "".join(f"def test_{n}(): note('short')\n" for n in range(6))})
        cache = self.folder / "cache"
        self.run_here(suite, WAIT="", XDG_CACHE_HOME=cache)
        self.notes()
        run = self.run_here(suite, WAIT="1", XDG_CACHE_HOME=cache)
        self.assertEqual(self.counts(run), {"passed": 7}, run.output)
        self.notes()
        os.environ["WAIT"] = "1"
        self.addCleanup(os.environ.pop, "WAIT")
        self.xdist(suite, loses=lambda status, output, notes: "FAILED test_a.py::test_long" in output)

    def test_05_blame_for_a_crash(self):
        """The test that ran is named, once, with the signal, its teardown included; it does not run again."""
        suite = self.suite({"test_a.py": NOTE + "import pytest, signal\n@pytest.fixture\ndef deadly():\n    yield\n"
                            "    os.kill(os.getpid(), signal.SIGSEGV)\n"
                            "def test_before(): note('before')\ndef test_teardown(deadly): note('once')\n"
                            "def test_after(): note('after')\ndef test_also(): note('also')\n"})
        run = self.run_here(suite, workers=1)
        self.assertEqual(self.counts(run), {"error": 1, "passed": 3}, run.output)
        self.assertEqual(sorted(self.notes()), ["after", "also", "before", "once"])
        self.assertRegex(run.output, r"(?m)^ERROR test_a.py::test_teardown")
        self.assertRegex(run.output, r"SIGSEGV|signal 11|Segmentation fault")
        limited = self.run_here(suite, "--maxfail=1", workers=1)
        self.assertEqual(limited.child.returncode, 1, limited.output)
        self.assertEqual(len(self.notes()), 2)

    def test_06_exit_codes(self):
        """As plain pytest has them. (Others: test_hazards.py, tests/runner.)"""
        suite = self.suite({"test_a.py": "import pytest\ndef test_good(): pass\ndef test_bad(): assert 0\n"
                                         "def test_leaves(): pytest.exit('enough', 9)\n"})
        for wanted, words in ((0, ["-k", "good"]), (1, ["-k", "bad"]), (1, ["-x", "-k", "bad"]), (5, ["-k", "none"]),
                              (4, ["--no-such-option"]), (9, ["-k", "leaves"])):
            self.assertEqual(self.run_here(suite, *words).child.returncode, wanted, words)

    def test_07_first_failure_tears_down(self):
        suite = self.suite({"conftest.py": NOTE + "import pytest\n@pytest.fixture(scope='session', autouse=True)\n"
                                                  "def wide():\n    note('up')\n    yield\n    note('down')\n",
                            "test_a.py": "import time\ndef test_bad(): assert 0\n" + "".join(
                                f"def test_{n}(): time.sleep(0.05)\n" for n in range(40))})
        run = self.run_here(suite, "-x")
        self.assertEqual(run.child.returncode, 1)
        notes = self.notes()
        self.assertEqual(notes.count("up"), notes.count("down"))
        self.assertLess(sum(self.counts(run).values()), 10)

    def test_08_durations_are_of_the_test_alone(self):
        """Neither a module's fixture nor a crash is a test's time."""
        suite = self.suite({"test_a.py": "import os, pytest, time\n@pytest.fixture(scope='module')\ndef wide():\n"
                                         "    time.sleep(0.3)\n    yield\n    time.sleep(0.3)\n"
                                         "def test_first(wide): pass\ndef test_last(wide): time.sleep(0.1)\n"
                                         "def test_dies(): os._exit(3)\n"})
        self.run_here(suite, workers=1, options=["--store-durations", "d.json"])
        stored = json.loads((suite / "d.json").read_text())
        self.assertLess(stored["test_a.py::test_first"], 0.1)
        self.assertGreaterEqual(stored["test_a.py::test_last"], 0.1)
        self.assertLess(stored["test_a.py::test_last"], 0.3)
        self.assertNotEqual(stored.get("test_a.py::test_dies"), 0)

    def test_11_names_of_workers(self):
        """gwN is never used again; the count stays; the uid is one; folders are popen-gwN beside each other."""
        suite = self.suite({"test_a.py": NOTE + "import pytest\n@pytest.mark.parametrize('n', range(12))\n"
                            "def test_n(n, worker_id, testrun_uid, tmp_path_factory):\n"
                            "    note(worker_id, os.environ['PYTEST_XDIST_WORKER'], "
                            "os.environ['PYTEST_XDIST_WORKER_COUNT'], testrun_uid, "
                            "os.environ['PYTEST_XDIST_TESTRUNUID'], tmp_path_factory.getbasetemp().name, "
                            "tmp_path_factory.getbasetemp().parent, os.getpid())\n"
                            "    if n in (2, 5): os._exit(1)\n"})
        run = self.run_here(suite)
        self.assertEqual(self.counts(run), {"failed": 2, "passed": 10})
        rows = [line.split() for line in self.notes()]
        self.assertTrue(all(row[0] == row[1] and row[2] == "2" and row[3] == row[4] for row in rows), rows)
        self.assertTrue(all(row[5] == f"popen-{row[0]}" for row in rows), rows)
        self.assertEqual(len({row[3] for row in rows}), 1)
        self.assertEqual(len({row[6] for row in rows}), 1)
        self.assertEqual(len({(row[0], row[7]) for row in rows}), len({row[0] for row in rows}))
        plain = self.suite({"test_m.py": "def test_m(worker_id): assert worker_id == 'master'\n"}, name="plain")
        self.assertEqual(self.run_here(plain, workers=0).child.returncode, 0)

    def test_12_reports_of_a_test_stay_together(self):
        """xdist's controller sees those of different tests interleaved. Passed collect reports stay away."""
        suite = self.suite({
            "conftest.py": NOTE + "def controller(config): return not hasattr(config, 'workerinput')\n"
            "class Watch:\n"
            "    def pytest_runtest_logstart(self, nodeid): note('start', nodeid)\n"
            "    def pytest_runtest_logreport(self, report): note(report.when, report.nodeid)\n"
            "    def pytest_runtest_logfinish(self, nodeid): note('finish', nodeid)\n"
            "    def pytest_collectreport(self, report): note('collected', report.nodeid)\n"
            "def pytest_configure(config):\n    if controller(config): config.pluginmanager.register(Watch())\n",
            "test_a.py": "import pytest, time\n@pytest.mark.parametrize('n', range(8))\n"
                         "def test_n(n): time.sleep(0.02)\n"})
        self.run_here(suite)
        notes = self.notes()
        calls = [line.split()[1] for line in notes if line.startswith("call")]
        self.assertEqual(len(set(calls)), 8)
        self.assertFalse([line for line in notes if line.startswith("collected")])
        for nodeid in calls:  # a worker's last teardown may come after another worker's call
            own = [line.split()[0] for line in notes if line.endswith(nodeid)]
            self.assertEqual(own, ["start", "setup", "call", "teardown", "finish"])
        at = {line: number for number, line in enumerate(notes)}
        for nodeid in calls:
            self.assertEqual(at[f"call {nodeid}"] - at[f"start {nodeid}"], 2)

    # 9 and 10, the estimates and algorithms of pytest-split and its kin: tests/unit/common/plan and
    # tests/data/peer-groups.json. 13, what a fork has to renew: tests/runner/test_fork.py, tests/plugins.


if __name__ == "__main__":
    unittest.main(verbosity=2)
