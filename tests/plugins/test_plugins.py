"""Plugins that people use, as Debian has them: with workers each does what it does without."""

import json
import re
import unittest

import plugins


class Coverage(plugins.TestCase):
    uses = "python3-pytest-cov python3-coverage"

    def figures(self, run):
        return [line for line in run.output.splitlines() if re.match(r"(Name|TOTAL|\S+\.py) .*(%|Cover)", line)]

    def test_combined_to_the_serial_figures(self):
        """Lines, branches, and what a child process of a test covered."""
        words = ["-v", "--cov=covered", "--cov-branch", "--cov-report=term-missing"]
        serial = self.serial_run("coverage", *words)
        self.assertRegex("\n".join(self.figures(serial)), r"covered\.py .* 79%")
        for start in ("auto", "early", "spawn"):
            with self.subTest(start):
                forked = self.forked_run("coverage", *words, options=["--start", start])
                self.assert_same(serial, forked)
                self.assertEqual(self.figures(serial), self.figures(forked))

    def test_too_little_is_red(self):
        serial, forked = self.both("coverage", "--cov=covered", "--cov-fail-under=99")
        self.assertEqual(forked.status, 1)
        self.assertIn("Required test coverage of 99% not reached", forked.output)

    def test_contexts_name_the_tests(self):
        self.both("coverage", "--cov=covered", "--cov-context=test", "--cov-report=term")
        self.assertEqual(*[self.contexts(self.folder / run / "suite") for run in ("serial", "forked")])

    def contexts(self, folder):
        import sqlite3

        data = sqlite3.connect(folder / ".coverage")
        try:
            return sorted(name for name, in data.execute("select context from context"))
        finally:
            data.close()


class Timeout(plugins.TestCase):
    uses = "python3-pytest-timeout"

    def test_by_signal(self):
        """In the main thread of a worker, set-up too; the worker goes on."""
        serial, forked = self.both("timeout", "-v")
        self.assertEqual(forked.counts, "1 failed, 2 passed, 1 error")

    def test_by_thread_ends_one_process(self):
        """Alone this method ends the whole run; here it costs one worker, and names the test."""
        forked = self.forked_run("timeout", "-v", "thread.py")
        self.assertEqual(forked.status, 1)
        self.assertIn("thread.py::test_ends_the_process", forked.output)
        self.assertIn("1 failed, 2 passed", forked.output)
        self.assertRegex(forked.output, r"Timeout")

    def test_the_plugin_goes_first_and_makespan_stands_behind(self):
        forked = self.forked_run("timeout", "-v", "backstop.py", options=["--timeout", "1"])
        found = forked.outcomes()
        bad = {name for name, parts in found.items() if "failure" in parts}
        self.assertEqual(bad, {"test_ours", "test_deaf_to_the_plugin"})
        self.assertRegex(forked.output, r"test_ours' was over its time limit of 1 s")
        self.assertRegex(forked.output, r"test_deaf_to_the_plugin' still ran 5.3 s after its start"
                         r".*when pytest-timeout should have ended it")


class Reruns(plugins.TestCase):
    uses = "python3-pytest-rerunfailures"

    def test_every_try_is_told(self):
        serial, forked = self.both("reruns", "-v", "-rR")
        self.assertEqual(forked.counts, "1 failed, 3 passed, 3 warnings, 4 rerun")

    def test_by_option(self):
        self.both("reruns", "-v", "--reruns", "1")


class Asyncio(plugins.TestCase):
    uses = "python3-pytest-asyncio python3-typing-extensions"

    def test_own_loops_and_children(self):
        self.both("asyncio", "-v")


class Benchmark(plugins.TestCase):
    uses = "python3-pytest-benchmark python3-cpuinfo"

    def test_measures(self):
        """Beside xdist it switches itself off."""
        forked = self.forked_run("benchmark", "-v")
        self.assertEqual(forked.status, 0, forked.output)
        self.assertRegex(forked.output, r"test_measured\[0\] +[\d.,]+ .*3 +1\b")
        self.assertNotIn("automatically disabled", forked.output)
        measuring = False
        lines = (forked.notes / "times").read_text().splitlines()
        for what, _when in sorted((line.split() for line in lines), key=lambda words: float(words[1])):
            self.assertFalse(measuring and what != "end", "something ran beside a benchmark")
            measuring = what == "begin"

    def test_saves_what_workers_measured(self):
        forked = self.forked_run("benchmark", "-q", "--benchmark-only", "--benchmark-json=measured.json",
                                 "--benchmark-disable-gc")
        self.assertEqual(forked.status, 0, forked.output)
        told = json.loads((self.folder / "forked/suite/measured.json").read_text())
        self.assertEqual(sorted(test["name"] for test in told["benchmarks"]), [f"test_measured[{n}]" for n in range(3)])
        self.assertEqual([len(test["stats"]["data"]) for test in told["benchmarks"]], [3, 3, 3])


class Hypothesis(plugins.TestCase):
    uses = "python3-hypothesis python3-sortedcontainers"

    def test_examples_are_shared(self):
        """What one worker found, the next run tries first, whichever worker has the test."""
        forked = self.forked_run("hypothesis", "--hypothesis-show-statistics")
        self.assertEqual(forked.status, 1, forked.output)
        self.assertRegex(forked.output, r"test_holds:\n")
        self.assertTrue(list((self.folder / "forked/suite/.hypothesis/examples").glob("*/*")))

    def test_as_serial(self):
        serial, forked = self.both("hypothesis", "-v", "--hypothesis-seed=7")


class Django(plugins.TestCase):
    uses = "python3-pytest-django python3-django python3-asgiref python3-sqlparse python3-tz"

    def test_a_database_for_each_worker(self):
        self.both("django", "-q")


class Shown(plugins.TestCase):
    """Plugins that change what the terminal shows: they live in the reporter."""

    uses = "python3-pytest-sugar python3-termcolor python3-packaging python3-pytest-instafail python3-pytest-subtests"

    def test_sugar(self):
        runs = [run("shown", "--force-sugar", "--color=no", "-p", "no:instafail", "-k", "not TestParts") for run in (self.serial_run, self.forked_run)]
        self.assert_same(*runs)
        ends = [re.sub(r"\x1b\[[\d;]*m", "", run.output).partition("Results (")[2] for run in runs]
        counts = [re.findall(r"^ +(\d+ [a-z]+)$", end, re.M) for end in ends]
        self.assertEqual(counts[0], counts[1])
        self.assertIn("1 xfailed", counts[1])

    def test_instafail(self):
        """A failure is shown when it happens, not at the end."""
        serial, forked = self.both("shown", "-v", "--instafail", "-p", "no:sugar", "-p", "no:subtests", "-k", "not test_fixture")
        at = forked.output.index
        self.assertLess(at("E               AssertionError: 1 == 1"), at("test_skipped SKIPPED"))

    def test_subtests(self):
        """Each part is told, in its order."""
        self.both("shown", "-v", "-rA", "-p", "no:sugar", "-k", "not TestParts")
        serial, forked = [run("shown", "-v", "-p", "no:sugar", "-k", "TestParts") for run in (self.serial_run, self.forked_run)]
        # (A serial run captures the word SUBFAIL as output of the test; here it reaches the terminal.)
        self.assertEqual(serial.outcomes(), forked.outcomes())
        self.assertIn("TestParts::test_two_of_three SUBFAIL", forked.output)


class Order(plugins.TestCase):
    """Plugins that order or choose tests, each in the one process that collects."""

    uses = "python3-pytest-order python3-pytest-dependency python3-pytest-random-order"

    def test_random_order(self):
        """Workers are told the reporter's seed; the ids are the same, the order is the suite's."""
        words = ["-v", "--random-order", "--random-order-seed=11", "-p", "no:pytest_order"]
        self.both("shuffled", *words)
        orders = []
        for name, run in (("first", self.forked_run), ("second", self.serial_run)):
            self.workers = 1
            orders.append((run("shuffled", *words, name=name).notes / "order").read_text().split())
        self.assertEqual(orders[0], orders[1])
        self.assertNotEqual(orders[0], sorted(orders[0], key=int))

    def test_strange_ids(self):
        self.both("ids", "-v")

    def test_order_and_dependency_on_one_worker(self):
        """Tests that need each other need --dist loadfile, or one worker."""
        self.workers = 1
        self.both("order", "-v")
        self.workers = 2
        self.both("order", "-v", "--dist=loadfile")


class Forked(plugins.TestCase):
    uses = "python3-pytest-forked python3-py"

    def test_marked_tests_in_children(self):
        """Makespan isolates them itself (docs/workers.md), in its own words."""
        serial, forked = self.serial_run("forked", "-v"), self.forked_run("forked", "-v")
        self.assertEqual((serial.status, serial.counts), (forked.status, forked.counts))
        self.assertIn("2 failed, 2 passed", forked.counts)
        self.assertIn("SIGTERM", forked.output)


class Everyday(plugins.TestCase):
    uses = ("python3-pytest-mock python3-pytest-repeat python3-pytest-datadir python3-pytest-regressions "
            "python3-yaml python3-pytest-lazy-fixture python3-pytest-httpserver python3-werkzeug "
            "python3-markupsafe python3-anyio python3-sniffio python3-idna python3-pytest-bdd python3-glob2 "
            "python3-mako python3-parse python3-parse-type python3-six python3-pytest-doctestplus "
            "python3-packaging")

    def test_many_at_once(self):
        self.both("everyday", "-v")


if __name__ == "__main__":
    unittest.main(verbosity=2)
