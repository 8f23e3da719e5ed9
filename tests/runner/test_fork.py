"""What a fork shares or loses, and what a death leaves: each as a fresh process would have it.

However the workers start, the same must come out; by pytest-xdist too, where it is installed.
"""

import importlib.util
import os
import unittest

import harness

STARTS = ("fork", "early", "spawn")
FRESH = 29  # tests of the suite


class Fork(unittest.TestCase):
    def setUp(self):
        self.runs = None

    def run_suite(self, name, *args, **how):
        self.runs = harness.Runs(os.path.join(harness.SUITES, name))
        self.addCleanup(self.runs.close)
        return self.runs.forked(*args, **how)

    def notes(self):
        found = {}
        for line in self.runs.read("notes"):
            worker, name, value = line.split(" ", 2)
            found.setdefault(name, []).append((worker, value))
        return found

    def test_worker_is_like_a_fresh_process(self):
        for start in STARTS:
            with self.subTest(start):
                self.check_like_fresh(start)

    def check_like_fresh(self, start):
        forked = self.run_suite("fork", workers=2, options=["--start", start, "--in-turn"])
        self.assertIn("2 failed, %d passed" % (FRESH - 2), forked.output)
        self.assertIn("straight to the terminal", forked.output)
        failed = [id for id, word in forked.facts["outcomes"] if word != "passed"]
        for number, nodeid in ((1, failed[0]), (3, failed[1])):
            text = forked.facts["details"][nodeid]["stdout"].split("\n")
            self.assertEqual(text[:200], ["line of turn %d" % number] * 200)
            self.assertEqual(text[200], "child of turn %d" % number)
        notes = self.notes()
        self.assertEqual({value for _worker, value in notes["seeded"]}, {"True"})
        for name in ("uuid", "tempname"):
            values = [value for _worker, value in notes[name]]
            self.assertEqual(len(set(values)), len(values), name)
        self.assertEqual([value for _worker, value in notes["atexit"]], ["ran"])
        self.assertFalse(os.path.exists(notes["tempdir"][0][1]))
        self.assertEqual(len({value for _worker, value in notes["uid"]}), 1)
        self.assertEqual({worker for worker, _value in notes["pid"]}, {"gw0", "gw1"})
        self.check_notes(notes)

    def check_notes(self, notes):
        """What is the same in all processes of a run, and what is not."""
        self.assertEqual(len({value for _worker, value in notes["hash"]}), 1)
        for name in ("pid", "numpy", "loop", "basetemp"):
            by_worker = {worker: value for worker, value in notes.get(name, ())}
            self.assertEqual(len(set(by_worker.values())), len(by_worker), name)

    def test_terminal_stays_the_reporters(self):
        for start in STARTS:
            with self.subTest(start):
                self.runs = harness.Runs(os.path.join(harness.SUITES, "fork"))
                self.addCleanup(self.runs.close)
                done = self.runs.on_terminal("-k", "terminal or stdin", options=["--start", start])
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertIn("2 passed", done.stdout)

    def test_xdist_agrees(self):
        if importlib.util.find_spec("xdist") is None:
            self.skipTest("pytest-xdist is not installed")
        self.runs = harness.Runs(os.path.join(harness.SUITES, "fork"))
        self.addCleanup(self.runs.close)
        xdist = self.runs.by_xdist("-n2", "--deselect=test_fork.py::test_terminal_is_not_ours")
        self.assertIn("2 failed, %d passed" % (FRESH - 3), xdist.output)
        notes = self.notes()
        del notes["hash"]  # each of its processes has a seed of its own
        self.check_notes(dict(notes, hash=[("gw0", "")]))

    def test_numbers_that_nobody_seeded_differ(self):
        """random and numpy's global generator, in every worker; a seed that the suite set holds."""
        for start in STARTS:
            with self.subTest(start):
                forked = self.run_suite("unseeded", workers=2, options=["--start", start])
                self.assertEqual(forked.status, 0, forked.output)
                notes = self.notes()
                for name in ("random", "numpy"):
                    values = [value for _worker, value in notes.get(name, ())]
                    self.assertEqual(len(set(values)), len(values), name)

    def test_forking_with_threads_is_not_warned_of(self):
        """As Python 3.12 would, which under -W error would end it."""
        for start in STARTS:
            with self.subTest(start):
                forked = self.run_suite("fork_warns", workers=2, options=["--start", start])
                self.assertEqual(forked.status, 0, forked.output)
                self.assertNotIn("multi-threaded", forked.output)

    def test_log_file_has_each_record_once(self):
        for start in STARTS:
            with self.subTest(start):
                self.runs = harness.Runs(os.path.join(harness.HAZARDS, "log_cli"))
                self.addCleanup(self.runs.close)
                path = os.path.join(self.runs.base, "log")
                forked = self.runs.forked("--log-file=" + path, "--log-file-level=DEBUG", workers=2,
                                          options=["--start", start])
                self.assertEqual(forked.status, 0, forked.output)
                text = "\n".join(self.runs.read("log"))
                for words in ("live one", "live two"):
                    self.assertEqual(text.count(words), 1, text)

    def test_what_a_fork_would_share_is_found(self):
        """By the process that looks; what becomes of it is the agent's to decide."""
        for name, who, kind, words in (
                ("threads_at_import", "zygote", "threads", "thread 'server' (started at"),
                ("loop_at_import", "zygote", "files", "an event loop (epoll)"),
                ("database_at_import", "forker", "files", "db.sqlite open for writing"),
                ("identity_at_import", "forker", "identity", "conftest.py:5 reads PYTEST_XDIST_WORKER"),
                ("identity_at_configure", "zygote", "identity", "reads workerinput['database']")):
            with self.subTest(name):
                self.runs = harness.Runs(os.path.join(harness.HAZARDS, name))
                self.addCleanup(self.runs.close)
                forked = self.runs.forked(workers=2)
                self.assertIn(words, forked.facts["found"][who][kind])

    def test_the_whole_heap_is_seen(self):
        forked = self.run_suite("heap")
        self.assertEqual(forked.status, 0, forked.output)

    def test_the_stack_is_known_and_whole(self):
        forked = self.run_suite("stack")
        self.assertEqual(forked.status, 0, forked.output)

    def test_deaths_are_named_and_the_rest_runs(self):
        forked = self.run_suite("crash", workers=2)
        self.assertEqual(forked.status, 1)
        words = dict(forked.facts["outcomes"])
        crashed = sorted(id.split("::")[1] for id, word in words.items() if word == "crashed")
        self.assertEqual(crashed, ["test_exits", "test_killed", "test_segfault"])
        self.assertEqual(len(words), 15)
        self.assertIn("last words", forked.output)
        self.assertIn("Fatal Python error: Segmentation fault", forked.output)
        self.assertIn("3 failed, 12 passed", forked.output)

    def test_death_while_collecting_is_red_and_named(self):
        forked = self.run_suite("dies")
        self.assertEqual(forked.status, 3)
        self.assertIn("broken", forked.output)

    def test_scope_times_are_told_exclusively(self):
        forked = self.run_suite("scopes")
        self.assertEqual(forked.status, 0, forked.output)
        told = {(kind, base_id, which): us for kind, base_id, us, which in forked.facts["scopes"]}
        self.assertEqual(set(told), {
            ("session", "", 1), ("session", "", 2), ("module", "test_scopes.py", 1),
            ("module", "test_scopes.py", 2), ("class", "test_scopes.py::TestC", 1)})
        # The module fixture (20 ms) asks for the session fixture (60 ms), and is not charged for it.
        self.assertLess(told["module", "test_scopes.py", 1], 55000)
        self.assertGreaterEqual(told["session", "", 1], 60000)
        self.assertGreaterEqual(told["session", "", 2], 10000)

    def test_scope_times_pass_while_time_is_frozen(self):
        forked = self.run_suite("frozen")
        self.assertEqual(forked.status, 0, forked.output)
        setup, = [us for kind, _id, us, which in forked.facts["scopes"] if (kind, which) == ("module", 1)]
        self.assertGreaterEqual(setup, 20000)
        self.assertLess(setup, 10000000)


if __name__ == "__main__":
    unittest.main()
