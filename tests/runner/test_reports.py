"""What pytest and reporting plugins keep of a run: caches, the whole JUnit XML, attributes of reports."""

import json
import os
import unittest
import xml.etree.ElementTree as ElementTree

import harness

SUITES = harness.SUITES


class Reports(unittest.TestCase):
    maxDiff = 4000

    def open(self, name):
        runs = harness.Runs(os.path.join(SUITES, name))
        self.addCleanup(runs.close)
        return runs

    def cached(self, runs):
        """All that pytest's cache holds, by name; and forget it."""
        found, top = {}, os.path.join(runs.suite, ".pytest_cache", "v", "cache")
        for name in sorted(os.listdir(top)):
            with open(os.path.join(top, name)) as stream:
                found[name] = json.load(stream)
        if isinstance(found.get("stepwise"), dict):
            found["stepwise"].pop("last_cache_date_str")
        return found

    def sequence(self, name, *steps, workers=1, lines=True):
        """The same commands one after another, in a copy of the suite each; after each the same cache."""
        serial, forked = self.open(name), self.open(name)
        for step in steps:
            left, right = serial.serial(*step), forked.forked(*step, workers=workers)
            with self.subTest(step=step):
                if lines:
                    self.assertEqual(left.lines(), right.lines())
                self.assertEqual(left.cases(), right.cases())
                self.assertEqual(left.status, right.status)
                self.assertEqual(self.cached(serial), self.cached(forked))

    def test_last_failed(self):
        self.sequence("mixed", ["-q"], ["--lf", "-v"], ["--ff", "-v"], ["--lf", "-k", "none"])

    def test_last_failed_with_two_workers(self):
        self.sequence("mixed", ["-q"], ["--lf", "-v"], workers=2, lines=False)

    def test_new_first(self):
        self.sequence("mixed", ["-q"], ["--nf", "-q"])

    def test_stepwise(self):
        """--sw stops at the first failure and begins there the next time. (What wider fixtures print at
        the very end, plain pytest lets through to the terminal; here it is shown as captured.)"""
        self.sequence("mixed", ["--sw"], ["--sw", "-v"], ["--sw", "--sw-skip"], lines=False)

    def test_nothing_starts_after_a_stop(self):
        """Not even a test that the agent had named before it heard of the failure."""
        for words in (["-x"], ["--sw"]):
            forked = self.open("mixed").forked(*words, options=["--prefetch", "0", "--late-run"])
            self.assertIn("1 failed, 3 passed", forked.output)
            self.assertEqual(len(forked.facts["outcomes"]), 4)

    def test_whole_xml(self):
        """Attributes and properties of the suite too, and what is logged."""
        words = ["-o", "junit_family=xunit1", "-o", "junit_logging=all", "-p", "no:randomly"]
        runs = self.open("mixed")
        trees = []
        for run in (runs.serial(*words), runs.forked(*words)):
            root = ElementTree.fromstring(run.junit)
            for element in root.iter():
                for name in ("time", "timestamp", "hostname"):
                    element.attrib.pop(name, None)
                element.text = harness.VOLATILE_IN_XML.sub("", element.text or "")
            trees.append(sorted(ElementTree.tostring(case).decode() for case in root.iter("testcase"))
                         + [(prop.get("name"), prop.get("value")) for prop in root.findall(".//testsuite/properties/property")])
        self.assertEqual(trees[0], trees[1])

    def test_durations_of_phases(self):
        runs = self.open("mixed")
        for run in (runs.serial("--durations=0", "-vv"), runs.forked("--durations=0", "-vv", workers=2)):
            shown = [line for line in run.output.splitlines() if line.endswith(" test_shapes.py::test_slow_set_up")
                     and "s setup" in line]
            self.assertEqual(len(shown), 1, run.output)

    def test_stats_of_the_terminal(self):
        """Reports that passed are there for who reads them, in all ways in which a list is read."""
        runs = self.open("stats")
        words = ("quiet:", "together:", "list:", "popped:", "same:")
        told = [[line for line in run.output.splitlines() if line.startswith(words)]
                for run in (runs.serial("-q"), runs.forked("-q", workers=2))]
        self.assertEqual(told[0], told[1])
        self.assertEqual(told[0][1:3], ["together: 16 of 16", "list: True {'TestReport'} 2"])
        self.assertEqual((len(told[0]), told[0][-1]), (len(words), "same: True"))

    def test_header_and_summary_are_asked_for_once(self):
        """Not by workers, too: whoever counts, prints or writes a file there does so once."""
        runs = self.open("stats")
        for start in ("serial", "fork", "early"):
            with self.subTest(start=start):
                if start == "serial":
                    runs.serial()
                else:
                    runs.forked(workers=2, options=["--start", start] if start != "fork" else [])
                self.assertEqual(runs.read("notes"), ["header", "summary"])

    def test_attributes_that_a_plugin_gives_reports(self):
        """As pytest-html, allure and kin do: what a hook in the worker adds, a hook in the reporter sees."""
        runs = self.open("attributes")
        serial, forked = runs.serial("-q"), None
        left = runs.read("notes")
        forked = runs.forked("-q", workers=2)
        self.assertEqual(sorted(left), sorted(runs.read("notes")))
        self.assertEqual(serial.status, forked.status)
        self.assertEqual(forked.output.count("was replaced by its repr"), 1, forked.output)


if __name__ == "__main__":
    unittest.main()
