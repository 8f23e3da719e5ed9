"""Real suites from Debian packages: the same ids and outcomes as plain pytest, run serially.

networkx, the largest, is compared by test_demo.py with the run that script/demo makes."""

import importlib.util
import unittest

import harness


class CompareTest(harness.TestCase):
    """By plain pytest, by one agent alone, and by two agents that share the run."""

    def compare(self, *words, needs, sharded=False, **env):
        for module in needs:
            self.assertIsNotNone(importlib.util.find_spec(module), f"script/bootstrap installs {module}")
        serial_xml = self.folder / "serial.xml"
        serial, output = self.serial("-q", *words, f"--junit-xml={serial_xml}", env=env)
        self.assertIn(serial, (0, 1), output)
        total = len(harness.ElementTree.parse(serial_xml).findall(".//testcase"))
        with self.subTest(by="one agent alone"):
            alone = self.agent(self.pytest("-q", *words), options=["--junit", self.folder / "alone.xml"],
                               **env)
            self.assertEqual(alone.wait(300), serial, alone.output[-3000:])
            self.assert_same_junit(serial_xml, self.folder / "alone.xml")
        with self.subTest(by="two agents"):
            coordinator = self.coordinator()
            options = ["--sharded-collection"] if sharded else []
            agents = [self.agent(self.pytest("-q", *words), coordinator, index=index, total=2, options=options,
                                 XDG_CACHE_HOME=self.folder / f"cache{index}", **env) for index in range(2)]
            statuses = [agent.wait(300) for agent in agents]
            status, verdict = self.verdict(coordinator)
            self.assertEqual(status, serial, "\n".join(agent.output[-3000:] for agent in agents))
            self.assertIn(serial, statuses)
            self.assertTrue(verdict["complete"], verdict)
            self.assertLessEqual(verdict["total"], total)
            self.assert_same_junit(serial_xml, self.merged(coordinator))

    def test_unittest_classes_and_parameters(self):
        """traitlets: TestCase classes, subclasses that inherit tests, parametrised functions.

        Left out is one test that needs the one before it: plain pytest fails it when it runs alone."""
        self.compare("--pyargs", "traitlets", "-k", "not (TestForwardDeclaredTypeTrait and test_default_value)",
                     needs=["traitlets"])

    def test_doctests(self):
        """toolz and more_itertools: doctest items beside test functions, some skipped."""
        self.compare("--doctest-modules", "--pyargs", "toolz", "more_itertools", needs=["toolz", "more_itertools"])

    def test_skips_and_expected_failures(self):
        """pyfakefs: 2,000 unittest methods, hundreds skipped, expected failures, some that pass.

        Left out is its one class that makes and removes real files under fixed names: two of its
        tests at the same time disturb each other, under any runner with workers."""
        self.compare("--pyargs", "pyfakefs", "-k", "not RealFileSystemAccessTest", needs=["pyfakefs"])

    def test_wide_fixtures_and_errors(self):
        """pint: class and session fixtures, parameters by the hundred, set-ups that fail."""
        self.compare("--pyargs", "pint", "-k", "quantity or measurement or matplotlib or umath or converter",
                     needs=["pint"])

    def test_waiting_and_child_processes(self):
        """tornado: event loops, coroutines that wait, processes that are started and killed."""
        self.compare("--pyargs", *(f"tornado.test.{name}_test" for name in ("locks", "queues", "gen", "process")),
                     needs=["tornado"])

    def test_compiled_and_parametrised_by_the_hundred(self):
        """numpy: parameters made of types and values, records of ids for them (--sharded-collection)."""
        unpacked = harness.ROOT / "build" / "plugins"
        path = [unpacked / package / "usr/lib/python3/dist-packages"
                for package in ("python3-hypothesis", "python3-sortedcontainers")]
        self.assertTrue(all(folder.is_dir() for folder in path), "tests/plugins/unpack brings hypothesis")
        self.compare("--pyargs", *(f"numpy.core.tests.test_{name}" for name in ("indexing", "records", "numerictypes")),
                     needs=["numpy"], sharded=True, PYTHONPATH=":".join(map(str, path)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
