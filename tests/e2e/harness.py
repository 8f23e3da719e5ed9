"""harness - start real coordinators and agents, wait for what they say, end them roughly.

    class SomeTest(harness.TestCase):
        def test_x(self):
            coordinator = self.coordinator()
            agent = self.agent(["pytest", suite], coordinator, index=0, total=2)
            self.assertEqual(agent.wait(), 0)

Everything a test starts lives in a fresh folder and process group and is gone when the test ends.
Nothing here sleeps to let something happen: waits are for a line of output, the end of a process
or a mark that a test of a suite leaves. Not for: assertions of one test only.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
from xml.etree import ElementTree  # noqa: F401  (tests use it)

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MAKESPAN_BUILD", ROOT / "build" / "debug"))
MAKESPAN = BUILD / "agent" / "makespan"
MAKESPAND = BUILD / "coordinator" / "makespand"
PYTHON = "/usr/bin/python3"
PATIENCE_S = float(os.environ.get("MAKESPAN_E2E_PATIENCE_S", "60"))

# Exit codes of docs/operations.md.
USAGE, MISMATCH, INCOMPLETE, MACHINES, HANDSHAKE, UNREACHABLE = 64, 65, 66, 67, 68, 69
REFUSED, RUNNER, OUTPUT, UNDELIVERED, DRAINED = 71, 72, 73, 74, 75


def clean_environ(**extra):
    """Our own environment without anything that a CI or an outer Makespan put there."""
    foreign = ("MAKESPAN", "_MAKESPAN", "PYTEST", "GITHUB_", "GITLAB_", "BUILDKITE", "CIRCLE",
               "JENKINS", "BUILD_", "SYSTEM_", "CI_", "TF_BUILD")
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(foreign) and name not in ("CI", "JOB_NAME")}
    kept["PYTHONDONTWRITEBYTECODE"] = "1"
    kept.update({name: str(value) for name, value in extra.items() if value is not None})
    return kept


class Process:
    """A program with its output read as it comes; both streams in one list of lines."""

    def __init__(self, name, argv, env, cwd):
        self.name = name
        self.lines = []
        self._news = threading.Condition()
        self._ended = False
        self.child = subprocess.Popen(
            [str(word) for word in argv], env=env, cwd=cwd, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            start_new_session=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.child.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def pid(self):
        return self.child.pid

    @property
    def output(self):
        with self._news:
            return "\n".join(self.lines)

    def wait_for_line(self, pattern, timeout_s=PATIENCE_S):
        """The match of the first line that fits; fails if the program ends or time is up first."""
        deadline, at = time.monotonic() + timeout_s, 0
        with self._news:
            while True:
                for line in self.lines[at:]:
                    match = re.search(pattern, line)
                    if match:
                        return match
                at = len(self.lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "ended" if self._ended else f"said nothing of it in {timeout_s} s"
                    raise AssertionError(f"{self.name} {why}: no line like {pattern!r} in\n"
                                         + "\n".join(self.lines))
                self._news.wait(left)

    def wait(self, timeout_s=PATIENCE_S):
        """The exit status (negative: the signal), output read to its end."""
        try:
            status = self.child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {timeout_s} s:\n{self.output}") from None
        self._reader.join(5)
        return status

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill9(self):
        self.signal(signal.SIGKILL)
        self.child.wait(PATIENCE_S)

    def end(self):
        """Whatever is left of it and of its process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(10)
        self._reader.join(5)
        self.child.stdout.close()


class Coordinator(Process):
    """makespand on a port of its own, with what it printed to paste into CI."""

    def __init__(self, data, listen="127.0.0.1:0", extra=(), env=None):
        self.data = pathlib.Path(data)
        super().__init__("makespand", [MAKESPAND, "--data", self.data, "--listen", listen, "--agent-dir", MAKESPAN.parent, *extra],
                         clean_environ(**(env or {})), self.data.parent)
        self.url = self._printed("URL")
        self.port = int(self.url.rsplit(":", 1)[1])
        # A coordinator that starts again does not repeat its token: only its hash is stored.
        self.token = self._printed("TOKEN") if "token" not in (env or {}) else None
        self.ca = self._printed("CA")

    def _printed(self, what):
        return self.wait_for_line(rf"MAKESPAN_{what}=['\"]?([^\s'\"]+)").group(1)

    def environ(self):
        return {"MAKESPAN_URL": self.url, "MAKESPAN_TOKEN": self.token, "MAKESPAN_CA": self.ca}

    def request(self, method, path, body=None, token="", headers=None):
        """(status, parsed body or bytes): a request of our own, past the agent."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # trust is tested with the agent; this only looks
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        url = f"https://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
        if token is not None:
            request.add_header("Authorization", f"Bearer {token or self.token}")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, context=context, timeout=40) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content


class TestCase(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="makespan-e2e-"))
        self.addCleanup(self._remove)
        self._started = []

    def _remove(self):
        for process in reversed(self._started):
            process.end()
        if self._failed():
            for process in self._started:
                print(f"--- {process.name} (pid {process.pid}, status {process.child.returncode})\n"
                      f"{process.output}", file=sys.stderr)
        if not os.environ.get("MAKESPAN_E2E_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _failed(self):
        outcome = self._outcome
        errors = getattr(outcome, "errors", None)
        if errors is None:  # newer interpreters keep them in the result
            return any(test is self for test, _ in outcome.result.failures + outcome.result.errors)
        return any(problem for _, problem in errors)

    def _keep(self, process):
        self._started.append(process)
        return process

    def coordinator(self, name="data", **options):
        return self._keep(Coordinator(self.folder / name, **options))

    def restart(self, coordinator):
        """The same data, the same port, the token that is known already."""
        again = Coordinator.__new__(Coordinator)
        again.data, again.port, again.url = coordinator.data, coordinator.port, coordinator.url
        again.token, again.ca = coordinator.token, coordinator.ca
        Process.__init__(again, "makespand again",
                         [MAKESPAND, "--data", coordinator.data, "--listen", f"127.0.0.1:{coordinator.port}", "--agent-dir", MAKESPAN.parent],
                         clean_environ(), coordinator.data.parent)
        self._keep(again)
        again.wait_for_line(r"MAKESPAN_URL=|listening")
        return again

    def makespan(self, words, coordinator=None, cwd=None, name=None, **env):
        """Any subcommand; env overrides what the coordinator's lines set."""
        environ = {**(coordinator.environ() if coordinator else {}), **env}
        return self._keep(Process(name or f"makespan {words[0]}", [MAKESPAN, *words],
                                  clean_environ(**environ), cwd or self.folder))

    def agent(self, command, coordinator=None, *, index=None, total=None, workers=2, key="run-1",
              options=(), cwd=None, **env):
        """makespan run in its own folder, joined to the coordinator if there is one."""
        words = ["run", "-n", str(workers), *options]
        if coordinator:
            words += ["--project", "e2e", "--run-key", key]
        if index is not None:
            words += ["--index", str(index), "--total", str(total)]
        name = "agent" if index is None else f"agent {index}"
        return self.makespan([*words, "--", *command], coordinator, cwd=cwd, name=name, **env)

    def suite(self, files, name="suite"):
        """A folder of test files: {name: text}."""
        folder = self.folder / name
        for file, text in files.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return folder

    def gate(self):
        gate = Gate(self.folder / "gate")
        self.addCleanup(gate.close)
        return gate

    def gated_suite(self, gate, count, name="suite", body="gate.wait('go')"):
        """count tests in files of ten; each runs body, with the gate at hand as `gate`, its own
        number as `number`."""
        files = {"gate.py": gate.module}
        for first in range(0, count, 10):
            numbers = range(first, min(first + 10, count))
            files[f"test_{first:04}.py"] = (
                "import os, pytest, gate\n\n"
                f"@pytest.mark.parametrize('number', {list(numbers)})\n"
                f"def test_gated(number):\n    {body}\n")
        return self.suite(files, name)

    def pytest(self, *words):
        """The command that users write, with the distribution's interpreter."""
        return [PYTHON, "-m", "pytest", "-p", "no:cacheprovider", *words]

    def serial(self, *words, cwd=None, env=None):
        """Plain pytest of the same suite: (exit status, its output)."""
        done = subprocess.run([str(word) for word in self.pytest(*words)], env=clean_environ(**(env or {})),
                              cwd=cwd or self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=600)
        return done.returncode, done.stdout + done.stderr

    def verdict(self, coordinator, *options, key="run-1"):
        """(exit status, the JSON of makespan verdict)."""
        asked = self.makespan(["verdict", "--project", "e2e", "--run-key", key, "--output", "json", *options],
                              coordinator)
        status = asked.wait()
        start = asked.output.find("{")
        self.assertGreaterEqual(start, 0, asked.output)
        return status, json.loads(asked.output[start:])

    def merged(self, coordinator, key="run-1", name="merged.xml"):
        """The merged JUnit file of a run."""
        path = self.folder / name
        got = self.makespan(["report", "--project", "e2e", "--run-key", key, "--format", "junit", "-o", path],
                            coordinator)
        self.assertEqual(got.wait(), 0, got.output)
        return path

    def assert_same_junit(self, serial, merged):
        done = subprocess.run([PYTHON, ROOT / "script" / "compare-junit", serial, merged],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def assert_on_lines_of_its_own(self, agent):
        """What makespan says never stands behind the dots of the tests."""
        self.assertNotRegex(agent.output, r"(?m)^.+makespan: ")

    def assert_green_and_complete(self, coordinator, total, key="run-1"):
        """Every collected test has one verdict, and all of them are good."""
        status, verdict = self.verdict(coordinator, key=key)
        self.assertEqual((status, verdict["verdict"]), (0, "green"), verdict)
        self.assertTrue(verdict["final"] and verdict["complete"], verdict)
        self.assertEqual((verdict["total"], verdict["unrun"]), (total, 0), verdict)
        self.assertEqual(sum(verdict["counts"].values()), total, verdict)
        return verdict


class Gate:
    """Lets the tests of a suite tell the harness where they are, and wait for its word.

    In a suite: `import gate; gate.mark("x")` tells, `gate.wait("x")` tells and waits. Marks are
    bytes in a FIFO that the harness reads; a word is the end of a FIFO of its own."""

    MODULE = '''
import os
FOLDER = {folder!r}
def mark(word):
    fd = os.open(os.path.join(FOLDER, "marks"), os.O_WRONLY)
    os.write(fd, f"{{word}} {{os.getpid()}}\\n".encode())
    os.close(fd)
def wait(word):
    path = os.path.join(FOLDER, "go-" + word)
    try:
        os.mkfifo(path)
    except FileExistsError:
        pass
    mark(word)
    os.close(os.open(path, os.O_RDONLY))
'''

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        os.mkfifo(self.folder / "marks")
        # Both ends are held, so that neither side ever sees an end or waits for an opener.
        self._fd = os.open(self.folder / "marks", os.O_RDWR)
        self._held = []
        self._news = threading.Condition()
        self.marks = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def module(self):
        return self.MODULE.format(folder=str(self.folder))

    def _read(self):
        with os.fdopen(os.dup(self._fd)) as marks:
            for line in marks:
                word, pid = line.split()
                if word == "end":
                    return
                with self._news:
                    self.marks.append((word, int(pid)))
                    self._news.notify_all()

    def reached(self, word, count=1, timeout_s=PATIENCE_S):
        """Pids of those that have reached the mark, at least count of them."""
        with self._news:
            def there():
                return [pid for seen, pid in self.marks if seen == word]
            if not self._news.wait_for(lambda: len(there()) >= count, timeout_s):
                raise AssertionError(f"{len(there())} of {count} reached {word!r}: {self.marks}")
            return there()

    def close(self):
        for fd in self._held:
            os.close(fd)
        self._held.clear()
        os.write(self._fd, b"end 0\n")  # the reader leaves
        self._reader.join(5)
        os.close(self._fd)

    def open(self, word):
        """Lets everybody pass who waits at the word, now or later."""
        path = self.folder / f"go-{word}"
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path)
        # Held open for writing: a reader's open returns at once.
        self._held.append(os.open(path, os.O_RDWR))


def children_of(pid):
    """Pids, oldest first; none of a process that is gone."""
    try:
        return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def gone(pid, timeout_s=PATIENCE_S):
    """True when the process ends within the time: an event, not a poll."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], timeout_s)[0])
    finally:
        os.close(fd)
