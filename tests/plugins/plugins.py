"""Suites that use plugins, run by plain pytest and by `makespan run`, with those plugins alone.

    class SomeTest(plugins.TestCase):
        uses = "python3-pytest-timeout"           packages that tests/plugins/unpack has unpacked

        def test_x(self):
            serial, forked = self.both("timeout", "-v")      both have status, output, cases, notes

`both` compares what every plugin must leave the same: exit status, every test with its outcome,
properties and output in the JUnit XML, and what the terminal tells in any order. A suite notes its
side effects in the folder named by NOTES, each run in a fresh one. Not for: one plugin's own promise.
"""

import collections
import os
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import harness  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
UNPACKED = pathlib.Path(os.environ.get("MAKESPAN_PLUGINS", harness.ROOT / "build" / "plugins"))
VERBOSE = re.compile(
    r"^(\S+::.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS|RERUN|SUBPASS|SUBFAIL|\[\S+\] SUBFAIL)\b")
# What differs between any two runs.
VOLATILE = re.compile(r"0x[0-9a-f]+|\bpid \d+|popen-gw\d+/|pytest-\d+/|:\d{4,5}\b|\d\d:\d\d:\d\d")


class Run:
    """One finished run: lines are what -v says of each test, counts the last line."""

    def __init__(self, status, output, junit, notes):
        self.status = status
        self.output = output
        self.notes = notes
        matches = [VERBOSE.match(line) for line in output.splitlines()]
        self.lines = collections.Counter(match.groups() for match in matches if match)
        ends = [line for line in output.splitlines() if re.search(r" in [\d.]+s", line)]
        self.counts = re.sub(r" in [\d.]+s.*", "", ends[-1]).strip("= ") if ends else ""
        self.cases = collections.Counter()
        self.suite_properties = []
        if junit.exists():
            root = harness.ElementTree.parse(junit)
            for case in root.iter("testcase"):
                self.cases[_case(case)] += 1
            self.suite_properties = sorted(
                (found.get("name"), found.get("value"))
                for found in root.findall("./testsuite/properties/property"))

    def outcomes(self):
        """{test's name: what its JUnit entry holds}, for a test that stands there once."""
        return {name: [part[0] for part in parts] for _, name, parts in self.cases}


def _case(case):
    """What a testcase says, without what differs by chance."""
    parts = []
    for child in case:
        text = (child.get("message") or "") + (child.text or "")
        if child.tag in ("failure", "error"):
            text = child.get("message") or ""  # the body holds addresses and times
        parts.append((child.tag, VOLATILE.sub("", text)))
    parts += [("property", found.get("name"), found.get("value"))
              for found in case.iter("property")]
    return case.get("classname"), case.get("name"), tuple(sorted(parts))


class TestCase(harness.TestCase):
    uses = ""
    workers = 2

    def environ(self, uses=None, **more):
        folders = []
        for package in (self.uses if uses is None else uses).split():
            folder = UNPACKED / package / "usr/lib/python3/dist-packages"
            self.assertTrue(folder.is_dir(), f"tests/plugins/unpack brings {package}: no {folder}")
            folders.append(str(folder))
        return dict({"PYTHONPATH": os.pathsep.join(folders) or None}, **more)

    def run_one(self, name, suite, makespan, words, options=(), **env):
        """In a fresh copy of the suite, always under the same path; kept afterwards under name."""
        folder = self.folder / "run"
        shutil.copytree(HERE / "suites" / suite, folder / "suite")
        (folder / "notes").mkdir()
        junit = folder / "junit.xml"
        environ = {**self.environ(), "NOTES": folder / "notes", "COLUMNS": "200", **env}
        command = [harness.PYTHON, "-m", "pytest", *words, "-o", "junit_logging=all", f"--junit-xml={junit}"]
        if makespan:
            run = self.agent(command, workers=self.workers, options=options, cwd=folder / "suite", **environ)
        else:
            run = self._keep(harness.Process(name, command, harness.clean_environ(**environ), folder / "suite"))
        status = run.wait()
        shutil.rmtree(self.folder / name, ignore_errors=True)
        kept = self.folder / name
        folder.rename(kept)
        return Run(status, run.output, kept / "junit.xml", kept / "notes")

    def serial_run(self, suite, *words, name="serial", **env):
        return self.run_one(name, suite, False, words, **env)

    def forked_run(self, suite, *words, name="forked", options=(), **env):
        return self.run_one(name, suite, True, words, options, **env)

    def both(self, suite, *words, options=(), **env):
        serial = self.serial_run(suite, *words, **env)
        forked = self.forked_run(suite, *words, options=options, **env)
        self.assert_same(serial, forked)
        return serial, forked

    def assert_same(self, serial, forked):
        """What every plugin must leave the same. (On a failure the harness prints both outputs.)"""
        self.assertEqual(serial.status, forked.status)
        for what in ("cases", "lines"):
            left, right = getattr(serial, what), getattr(forked, what)
            self.assertEqual(dict(left - right), dict(right - left), f"{what}: serial, makespan")
        self.assertEqual(serial.counts, forked.counts)
        self.assertEqual([name for name, _ in serial.suite_properties],
                         [name for name, _ in forked.suite_properties])
        self.assertTrue(serial.cases, serial.output)
