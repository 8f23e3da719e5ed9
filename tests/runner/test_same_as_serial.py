"""Each suite, each set of options: the same ids, outcomes, output and exit code as plain pytest."""

import importlib.util
import os
import unittest

import harness


class SameAsSerial(unittest.TestCase):
    maxDiff = 4000

    def open(self, folder):
        runs = harness.Runs(folder)
        self.addCleanup(runs.close)
        return runs

    def check(self, folder, *args, status=None):
        """One worker: everything the same, line by line."""
        runs = self.open(folder)
        serial, forked = runs.serial(*args), runs.forked(*args)
        self.assertEqual(serial.lines(), forked.lines())
        self.assertEqual(serial.cases(), forked.cases())
        self.assertEqual(serial.status, forked.status)
        if status is not None:
            self.assertEqual(status, forked.status)
        return forked

    def check_two(self, folder, *args):
        """Two workers in every way of naming the next test: same cases, same exit code."""
        runs = self.open(folder)
        serial = runs.serial(*args)
        for options in (["--prefetch", "0"], ["--prefetch", "0", "--answer"], ["--prefetch", "1"],
                        ["--settle-each"]):
            forked = runs.forked(*args, workers=2, options=options)
            self.assertEqual(serial.cases(), forked.cases(), forked.output)
            self.assertEqual(serial.status, forked.status)


def suite(name):
    return os.path.join(harness.SUITES, name)


def hazard(name):
    return os.path.join(harness.HAZARDS, name)


class Mixed(SameAsSerial):
    """Every shape of outcome, under the options that change what is printed or run."""

    def test_plain(self):
        self.check(suite("mixed"), status=1)

    def test_verbose(self):
        self.check(suite("mixed"), "-v")

    def test_faults_of_fixtures(self):
        for words in ([], ["--tb=short"], ["--tb=line"]):
            with self.subTest(words):
                self.check(suite("faults"), *words, status=1)

    def test_quiet(self):
        self.check(suite("mixed"), "-q", "--tb=short")

    def test_all_reasons(self):
        self.check(suite("mixed"), "-rA")

    def test_capture_sys_shows_what_passes_it(self):
        self.check(suite("mixed"), "--capture=sys")

    def test_without_capture_plugin(self):
        self.check(suite("mixed"), "-p", "no:capture", "-k", "not capsys and not capfd")

    def test_without_logging_plugin(self):
        self.check(suite("mixed"), "-p", "no:logging", "-k", "not caplog")

    def test_warnings_as_errors(self):
        # (Newer pytests show the layers of hooks in such tracebacks; there are more of them here.)
        self.check_two(suite("mixed"), "-W", "error", "-k", "not xml_attribute")

    def test_deselected(self):
        self.check(suite("mixed"), "-k", "params or capsys")

    def test_doctest_modules(self):
        self.check(suite("mixed"), "--doctest-modules", "-v")

    def test_two_workers(self):
        self.check_two(suite("mixed"))

    def test_progress_of_two_workers_names_no_files(self):
        forked = self.open(suite("mixed")).forked(workers=2)
        self.assertNotRegex(forked.output, r"(?m)^test_\w+\.py [.FEsxX]")
        self.assertRegex(forked.output, r"(?m)^[.FEsxX]+ +\[100%\]$")

    def test_plugin_that_looks_at_the_next_test(self):
        runs = self.open(suite("neighbours"))
        forked = runs.forked(options=["--prefetch", "0", "--answer"])
        self.assertEqual(runs.serial().cases(), forked.cases(), forked.output)

    def test_suite_that_keeps_standard_streams(self):
        for way in "fd", "sys", "tee-sys":
            self.check(suite("streams"), "-rA", "--capture=" + way, status=1)

    def test_suite_that_takes_plugins_away(self):
        self.check(suite("unplugged"), "-rA", status=1)

    def test_old_style_setup(self):
        self.check(suite("xunit"), "-rA", status=0)

    def test_conftests_found_while_collecting(self):
        self.check(suite("found"), "-rA", status=9)
        self.check(suite("found"), "--strict-config", status=4)
        self.check(suite("found"), "--strict-config", "--strict-markers", "-c", "strict.ini", status=9)
        self.check_two(suite("found"))


class Plugins(SameAsSerial):
    """Plugins that know of workers."""

    def test_coverage_is_the_serial_figure(self):
        if not _installed("pytest_cov"):
            self.skipTest("pytest-cov is not installed")
        options = ["--cov=covered", "--cov-branch", "--cov-report=term-missing"]
        self.check(suite("coverage"), *options, "--cov-fail-under=99", status=1)
        runs = self.open(suite("coverage"))
        figures = [[line for line in run.lines() if "covered.py " in line and "%" in line]
                   for run in (runs.serial(*options), runs.forked(*options, workers=2))]
        self.assertTrue(figures[0])
        self.assertEqual(*figures)

    def test_makereport_finds_funcargs_at_the_very_end(self):
        self.check(suite("funcargs"), status=0)


def _installed(name):
    return importlib.util.find_spec(name) is not None


class Endings(SameAsSerial):
    """Ends of a session and their exit codes."""

    def test_nothing_selected(self):
        self.check(suite("mixed"), "-k", "nothing", status=5)

    def test_a_pytest_that_has_other_names_is_named(self):
        runs = self.open(suite("xunit"))
        with open(os.path.join(runs.base, "sitecustomize.py"), "w") as stream:
            stream.write("import pytest, _pytest.reports\ndel _pytest.reports.CollectErrorRepr\n")
        path = [runs.base, *filter(None, [runs.environment.get("PYTHONPATH")])]
        runs.environment["PYTHONPATH"] = os.pathsep.join(path)
        forked = runs.forked()
        self.assertRegex(forked.output, r"(?m)^ERROR: this makespan does not fit pytest \d.*CollectErrorRepr")
        self.assertNotIn("Traceback", forked.output)
        self.assertEqual(forked.status, 4)

    def test_no_such_file(self):
        self.check(suite("mixed"), "no_such.py", status=4)

    def test_no_such_test(self):
        self.check(suite("mixed"), "test_shapes.py::no_such", status=4)

    def test_bad_option(self):
        self.check(suite("mixed"), "--no-such-option", status=4)

    def test_collection_error_runs_nothing(self):
        self.check(suite("broken"), status=2)

    def test_collection_error_and_first_failure(self):
        self.check(suite("broken"), "-x")

    def test_collection_error_runs_the_rest_if_asked(self):
        self.check(suite("broken"), "--continue-on-collection-errors", status=1)

    def test_interrupt_in_a_test(self):
        self.check(suite("interrupt"), "-v", status=2)

    def test_exit_in_a_test(self):
        self.check(hazard("exit_code"), status=7)

    def test_exit_while_collecting(self):
        self.check(suite("collect_exit"))

    def test_collect_only(self):
        self.check(suite("mixed"), "--collect-only", "-q", status=0)

    def test_internal_error(self):
        runs = self.open(suite("internal"))
        forked = runs.forked()
        self.assertEqual(forked.status, 3)
        self.assertIn("ZeroDivisionError: a plugin of the suite is broken", forked.output)

    def test_first_failure_stops_all(self):
        runs = self.open(suite("mixed"))
        forked = runs.forked("-x", workers=2)
        self.assertEqual(forked.status, 1)
        # The other worker's test was in flight, and may have failed as well.
        self.assertRegex(forked.output, "stopping after [12] failures")
        self.assertLess(len(forked.facts["outcomes"]), 15)


class Hazards(SameAsSerial):
    """Suites that are easy to get wrong across processes (tests/hazards)."""

    def test_nextitem(self):
        for options in ([], ["-v"], ["-rA"]):
            forked = self.check(hazard("nextitem"), *options, status=1)
        self.assertEqual(forked.facts["outcomes"][-1], ["test_nextitem.py::TestBoth::test_2",
                                                        "error"])

    def test_nextitem_two(self):
        runs = self.open(hazard("nextitem"))
        forked = runs.forked(workers=2)
        self.assertEqual(forked.status, 1)
        # Each worker that ran a test has its own session fixture, and tears it down.
        self.assertRegex(forked.output, r"2 passed, [12] errors? in")

    def test_wider_teardowns(self):
        self.check(suite("late"), "-rA", status=1)

    def test_skip_report(self):
        self.check(hazard("skip_report"), "-v", status=0)
        self.check_two(hazard("skip_report"))

    def test_duplicate_ids(self):
        forked = self.check(hazard("duplicate_ids"), "-v", status=0)
        self.assertEqual(len(forked.facts["outcomes"]), 4)
        self.check_two(hazard("duplicate_ids"))

    def test_log_cli(self):
        forked = self.check(hazard("log_cli"), "-o", "log_cli=1", status=0)
        self.assertEqual(forked.output.count("live one"), 1)
        runs = self.open(hazard("log_cli"))
        two = runs.forked("-o", "log_cli=1", workers=2)
        for words in ("live one", "live two"):
            self.assertEqual([line for line in two.lines() if words in line],
                             [line for line in forked.lines() if words in line])

    def test_roles(self):
        runs = self.open(hazard("roles"))
        forked = runs.forked("-rP", workers=2)
        self.assertEqual(forked.status, 0)
        self.assertIn("4 passed, 1 warning", forked.output)
        words = [line.split(None, 1)[1] for line in runs.read("rlog")]
        self.assertEqual(words.count("CONTROLLER configure"), 1)
        self.assertEqual(words.count("CONTROLLER sessionfinish"), 1)
        self.assertEqual(words[-1], "CONTROLLER sessionfinish")
        for number in range(4):
            self.assertEqual(
                words.count("CONTROLLER logreport test_roles.py::test_role[%d]" % number), 1)
        shown = {line for line in forked.lines() if line.startswith("db_")}
        self.assertLessEqual(shown, {"db_gw0", "db_gw1"})
        self.assertTrue(shown)

    def test_xdist_options(self):
        for options in ([], ["-n", "2"], ["-n", "2", "-p", "no:xdist"]):
            forked = self.open(hazard("xdist_options")).forked(*options, workers=2)
            self.assertEqual(forked.status, 0, forked.output)
            self.assertIn("2 passed", forked.output)

    def test_xdist_options_in_the_file(self):
        forked = self.open(suite("strict_n")).forked(workers=2)
        self.assertEqual(forked.status, 0, forked.output)
        for words in ("ready gw0", "down gw0 None", "2 passed"):
            self.assertIn(words, forked.output)

    def test_hash_order(self):
        forked = self.open(hazard("hash_order")).forked("-rP", workers=2)
        for name in "abc":
            self.assertEqual(forked.lines().count("RAN " + name), 1)


if __name__ == "__main__":
    unittest.main()
