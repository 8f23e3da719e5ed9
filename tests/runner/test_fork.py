"""What a fork shares or loses, and what a death leaves: each as a fresh process would have it."""

import os
import unittest

import harness


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
        forked = self.run_suite("fork", workers=2)
        self.assertIn("2 failed, 17 passed", forked.output)
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

    def test_the_whole_heap_is_seen(self):
        forked = self.run_suite("heap")
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


if __name__ == "__main__":
    unittest.main()
