"""Run one suite serially and through the fake agent, and make the two comparable."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import termios
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
SUITES = os.path.join(HERE, "suites")
HAZARDS = os.path.join(HERE, "..", "hazards")

# What may differ between two runs of the same tests.
_VOLATILE = (
    # The rule before it, too: it is shorter where the time has a digit more.
    (re.compile(r"^(=+ )?(.*) in \d+\.\d+s( \(\d+:\d+:\d+\))? *=*$"), r"\2 in T"),
    (re.compile(r"^plugins: .*$"), "plugins"),
    (re.compile(r"0x[0-9a-f]+"), "0x"),
    (re.compile(r"pytest-\d+/(popen-gw\d+/)?"), "pytest-N/"),
)

VOLATILE_IN_XML = re.compile(r"0x[0-9a-f]+|pytest-\d+/(popen-gw\d+/)?")


class Outcome:
    """One finished run."""

    def __init__(self, status, output, junit, facts):
        self.status = status
        self.output = output
        self.junit = junit
        self.facts = facts

    def lines(self):
        """The output without what may differ."""
        lines = []
        for line in self.output.splitlines():
            for pattern, text in _VOLATILE:
                line = pattern.sub(text, line)
            lines.append(line)
        return lines

    def cases(self):
        """Sorted (class, name, what became of it) of the JUnit XML; None if there is none."""
        if self.junit is None:
            return None
        cases = []
        for case in xml.etree.ElementTree.fromstring(self.junit).iter("testcase"):
            inside = sorted((child.tag, child.get("message") or "") for child in case
                            if child.tag != "system-out")
            inside += sorted((prop.get("name"), prop.get("value"))
                             for prop in case.iter("property"))
            cases.append((case.get("classname"), case.get("name"), tuple(inside)))
        return sorted(cases, key=repr)


class Runs:
    """A folder with a copy of one suite, in which it is run."""

    def __init__(self, folder):
        self.base = tempfile.mkdtemp(prefix="runner-test-")
        self.suite = os.path.join(self.base, os.path.basename(folder))
        shutil.copytree(folder, self.suite)
        self.environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "MAKESPAN"))
        }
        self.environment.update(PYTHONDONTWRITEBYTECODE="1", RLOG=os.path.join(self.base, "rlog"),
                                NOTES=os.path.join(self.base, "notes"), COLUMNS="80")

    def close(self):
        shutil.rmtree(self.base, ignore_errors=True)

    def serial(self, *args):
        return self._run([sys.executable, "-m", "pytest", "-p", "no:xdist"], args)

    def by_xdist(self, *args):
        return self._run([sys.executable, "-m", "pytest"], args)

    def forked(self, *args, workers=1, options=()):
        facts = os.path.join(self.base, "facts.json")
        command = [sys.executable, os.path.join(HERE, "fake_agent.py"), "-n", str(workers),
                   "--facts", facts, *options, "--", sys.executable, "-m", "pytest"]
        outcome = self._run(command, args)
        if os.path.exists(facts):
            with open(facts) as stream:
                outcome.facts = json.load(stream)
        return outcome

    def on_terminal(self, *args, workers=2, options=()):
        """As forked(), with a terminal as stdin and as the controlling one; the finished process."""
        leader, follower = os.openpty()

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        try:
            return subprocess.run(
                [sys.executable, os.path.join(HERE, "fake_agent.py"), "-n", str(workers), *options, "--",
                 sys.executable, "-m", "pytest", *args], cwd=self.suite, env=self.environment, stdin=follower,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, preexec_fn=take_terminal,
                encoding="utf-8", errors="replace")
        finally:
            os.close(leader)
            os.close(follower)

    def read(self, name):
        """A file that the suite wrote, by the name of its variable, as lines; and forget it."""
        path = os.path.join(self.base, name)
        if not os.path.exists(path):
            return []
        with open(path) as stream:
            lines = stream.read().splitlines()
        os.unlink(path)
        return lines

    def _run(self, command, args):
        junit = os.path.join(self.base, "junit.xml")
        if os.path.exists(junit):
            os.unlink(junit)
        result = subprocess.run(
            [*command, "--junitxml=" + junit, *args], cwd=self.suite, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
            encoding="utf-8", errors="replace")
        content = None
        if os.path.exists(junit):
            with open(junit, encoding="utf-8") as stream:
                content = stream.read()
        return Outcome(result.returncode, result.stdout.replace(junit, "JUNIT").replace(self.base, "BASE"), content, None)
