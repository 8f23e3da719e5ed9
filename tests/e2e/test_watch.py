"""makespan watch: what failed, then everything, when a file changes; by keys; until it is told to go."""

import fcntl
import os
import pty
import re
import signal
import subprocess
import termios
import threading
import unittest

import harness

GOOD = "def test_good(): pass\n"
BAD = "def test_bad(): assert 0\n"
WAITS = r"makespan: exit status (\d+); watching"


class OnTerminal(harness.Process):
    """A program that has a terminal of its own."""

    def __init__(self, argv, env, cwd):
        self.name, self.lines = "makespan watch", []
        self._news, self._ended = threading.Condition(), False
        self.master, slave = pty.openpty()
        self.child = subprocess.Popen(
            [str(word) for word in argv], env=env, cwd=cwd, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.child.stdout = os.fdopen(os.dup(self.master), errors="replace")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        try:
            super()._read()
        except OSError:  # so ends a terminal
            with self._news:
                self._ended = True
                self._news.notify_all()

    def press(self, key):
        os.write(self.master, key)

    def end(self):
        super().end()
        os.close(self.master)


class Watch(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.root = self.suite({"test_a.py": GOOD, "test_b.py": GOOD, "src/code.py": ""})
        self.words = [harness.MAKESPAN, "watch", "-n", "1", "--", harness.PYTHON, "-m", "pytest", "-q"]
        self.seen = 0

    def start(self, *options):
        self.words[2:2] = options
        self.watch = self._keep(harness.Process("makespan watch", self.words, harness.clean_environ(), self.root))

    def start_on_terminal(self):
        self.watch = self._keep(OnTerminal(self.words, harness.clean_environ(PY_COLORS="0"), self.root))

    def expect(self, *patterns):
        """Lines that match come, in this order, after those that were expected before."""
        for pattern in patterns:
            deadline = harness.time.monotonic() + harness.PATIENCE_S
            while True:
                with self.watch._news:
                    fresh = self.watch.lines[self.seen:]
                    found = next((at for at, line in enumerate(fresh) if re.search(pattern, line)), None)
                    if found is not None:
                        self.seen += found + 1
                        break
                    left = deadline - harness.time.monotonic()
                    if self.watch._ended or left <= 0:
                        self.fail(f"no {pattern!r} in\n" + "\n".join(fresh))
                    self.watch._news.wait(left)

    def write(self, name, text):
        """As an editor does it: beside the file, then in its place."""
        path = self.root / name
        beside = path.with_name(path.name + "~")
        beside.write_text(text)
        beside.rename(path)

    def test_what_failed_runs_until_it_passes_then_everything(self):
        self.start()
        self.expect("running everything", "2 passed", WAITS)
        self.write("test_b.py", GOOD + BAD)
        self.expect(r"changed: test_b.py; running everything", "1 failed, 2 passed", "exit status 1; watching")
        self.write("src/code.py", "x = 1\n")
        self.expect(r"changed: src/code.py; running what failed", "^1 failed(, 1 deselected)? in", WAITS)
        self.write("test_b.py", "there is no such syntax\n")
        self.expect("running what failed", "1 error in", "exit status 2; watching")
        self.write("test_b.py", GOOD + "def test_bad(): pass\n")
        self.expect("running what failed", r"\d passed", "makespan: running everything", "3 passed", "exit status 0; watching")
        self.watch.signal(signal.SIGINT)
        self.assertEqual(self.watch.wait(), 130, self.watch.output)

    def test_new_folders_are_watched_and_ignored_files_are_not(self):
        (self.root / ".gitignore").write_text("*.log\n/made/\n")
        self.start("--poll")
        self.expect("2 passed", WAITS + r" 2 folders \(looking every second\)")
        for name in ("out.log", "made/test_c.py", ".git/index", "build/x.py"):
            (self.root / name).parent.mkdir(exist_ok=True)
            (self.root / name).write_text(GOOD)
        (self.root / "new").mkdir()
        (self.root / "new" / "test_d.py").write_text(GOOD)
        self.expect(r"changed: new/test_d.py; running everything")
        self.watch.signal(signal.SIGTERM)
        self.assertEqual(self.watch.wait(), 143, self.watch.output)

    def test_change_while_tests_run_is_not_lost(self):
        gate = self.gate()
        (self.root / "gate.py").write_text(gate.module)
        (self.root / "test_a.py").write_text("import gate\ndef test_waits(): gate.wait('go')\n")
        self.start()
        gate.reached("go")
        (self.root / "data.json").write_text("{}")  # tests write such files themselves
        self.write("test_b.py", GOOD + GOOD.replace("good", "more"))
        gate.open("go")
        self.expect("2 passed", r"changed: test_b.py; running everything", "3 passed", WAITS)

    def test_keys(self):
        (self.root / "test_b.py").write_text(BAD)
        self.start_on_terminal()
        self.expect("1 failed, 1 passed", WAITS + r".*enter: run all, f: what failed, q: quit")
        self.watch.press(b"f")
        self.expect("running what failed", "1 failed", WAITS)
        self.watch.press(b"\n")
        self.expect("running everything", "1 failed, 1 passed", WAITS)
        self.watch.press(b"?")
        self.expect("enter or a: run all")
        self.watch.press(b"q")
        self.assertEqual(self.watch.wait(), 0, self.watch.output)
        self.assertTrue(termios.tcgetattr(self.watch.master)[3] & termios.ECHO)

    def test_ctrl_c_while_tests_run_ends_both(self):
        gate = self.gate()
        (self.root / "gate.py").write_text(gate.module)
        (self.root / "test_a.py").write_text("import gate\ndef test_waits(): gate.wait('go')\n")
        self.start_on_terminal()
        worker = gate.reached("go")[0]
        self.watch.press(b"\x03")
        self.assertEqual(self.watch.wait(), 130, self.watch.output)
        with self.assertRaises(ProcessLookupError):
            os.kill(worker, 0)

    def test_ctrl_backslash_shows_stacks_and_ends_nothing(self):
        gate = self.gate()
        (self.root / "gate.py").write_text(gate.module)
        (self.root / "test_a.py").write_text("import gate\ndef test_waits(): gate.wait('go')\n")
        self.start_on_terminal()
        gate.reached("go")
        self.watch.press(b"\x1c")
        self.expect("in test_waits")
        gate.open("go")
        self.expect("2 passed", WAITS)
        self.watch.press(b"q")
        self.assertEqual(self.watch.wait(), 0, self.watch.output)

    def test_everything_is_everything_and_own_words_may_stand_anywhere(self):
        (self.root / "test_b.py").write_text(BAD)
        self.words[4:4] = ["--poll"]
        self.watch = self._keep(harness.Process(
            "makespan watch", self.words, harness.clean_environ(MAKESPAN_LAST_FAILED="1"), self.root))
        self.expect("1 failed, 1 passed", WAITS + ".*looking every second")
        self.write("test_b.py", GOOD)
        self.expect("running what failed", "running everything", "2 passed", WAITS)

    def test_wrong_use_ends_at_once(self):
        self.words[2:4] = ["--no-such-option"]
        self.start()
        self.assertEqual(self.watch.wait(), harness.USAGE, self.watch.output)
        self.assertIn("no-such-option", self.watch.output)
        agent = self.makespan(["watch", "pytest"])
        self.assertEqual(agent.wait(), harness.USAGE)
        self.assertIn("a command is needed behind --", agent.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
