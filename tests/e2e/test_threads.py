"""--tests-per-worker: tests that wait do so side by side, and all else is as without threads."""

import re
import unittest

import harness

WAITS = """
import pytest, gate, threading

@pytest.fixture(scope="module", params=["one", "two"])
def wide(request):
    held = []
    yield held
    assert len(held) == 4

@pytest.fixture
def own(request, wide):
    calls = []
    yield calls
    assert calls == [request.node.name]

@pytest.mark.parametrize("number", range(4))
def test_waits(number, own, wide):
    own.append("test_waits[%s-%d]" % ("one" if not seen.get("one") else "two", number))
    gate.wait("at-" + ("one" if not seen.get("one") else "two"))
    wide.append(number)
    if len(wide) == 4:
        seen["one"] = True
seen = {}
"""
ALIKE = """
import logging, os, pytest, sys, time, unittest, warnings

@pytest.fixture(scope="session")
def wide():
    print("wide is up")
    yield {"used": 0}
    print("wide is down")

@pytest.fixture
def own(wide):
    wide["used"] += 1
    yield wide
    print("own is down")

@pytest.mark.parametrize("number", range(12))
def test_all_sorts(number, own, tmp_path, record_property):
    print("out of", number)
    print("err of", number, file=sys.stderr)
    logging.getLogger("suite").error("log of %d", number)
    record_property("number", number)
    time.sleep(0.002 * (number % 3))
    if number == 1:
        assert {"a": number} == {"a": 2}
    if number == 2:
        pytest.skip("for a reason")
    if number == 3:
        pytest.xfail("expected")
    if number == 4:
        raise ValueError("of the test")

@pytest.mark.xfail(raises=KeyError)
@pytest.mark.parametrize("problem", [KeyError, OSError])
def test_marked(problem): raise problem("x")

@pytest.fixture
def broken(): raise RuntimeError("set-up")
def test_error(broken): pass

@pytest.fixture
def breaks(): yield; raise RuntimeError("teardown")
def test_breaks(breaks): pass

def test_capture(capsys):
    print("mine")
    assert capsys.readouterr().out == "mine\\n"
def test_log(caplog):
    logging.getLogger("suite").error("caught")
    assert caplog.messages == ["caught"]
def test_environment(monkeypatch): monkeypatch.setenv("ONLY_HERE", "1")
def test_warns(recwarn):
    warnings.warn("caught")
    assert len(recwarn) == 1
def test_later(request): assert request.getfixturevalue("own")["used"]

class TestUnit(unittest.TestCase):
    def setUp(self): self.up = True
    def test_unit(self): self.assertTrue(self.up)
    def test_sub(self): self.assertEqual(1, 2)

class TestScope:
    @pytest.fixture(scope="class", autouse=True)
    def of_class(self): yield; print("class is down")
    def test_one(self): assert "ONLY_HERE" not in os.environ
    def test_two(self, tmp_path): assert tmp_path.exists()
"""
CROWD = """
import gate, pytest, threading
running, most = [0], [0]
lock = threading.Lock()

def count(body):
    with lock:
        running[0] += 1
        most[0] = max(most[0], running[0])
    body()
    with lock:
        running[0] -= 1

@pytest.mark.parametrize("number", range(6))
def test_together(number): count(lambda: gate.wait("together"))
@pytest.mark.parametrize("number", range(3))
def test_alone(number, monkeypatch):
    count(lambda: None)
    assert running[0] == 0 and threading.current_thread() is threading.main_thread()
def test_most(request): assert most[0] == 3
"""


class Threads(harness.TestCase):
    def run_suite(self, files, *words, width=4, workers=1, options=()):
        suite = self.suite(files)
        return self.agent(self.pytest("-p", "no:randomly", *words), cwd=suite, workers=workers,
                          options=[*options, *(["--tests-per-worker", str(width)] if width else [])])

    def test_tests_wait_side_by_side_with_one_set_of_wider_fixtures(self):
        gate = self.gate()
        agent = self.run_suite({"gate.py": gate.module, "test_it.py": WAITS})
        for param in ("one", "two"):
            self.assertEqual(len(set(gate.reached("at-" + param, 4))), 1)  # four tests, one process
            gate.open("at-" + param)
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("8 passed", agent.output)

    def test_outcomes_and_reports_are_as_without_threads(self):
        files = {"test_it.py": ALIKE}
        agent = self.run_suite(files, "--junitxml=threads.xml", "-rA", width=3)
        status, serial = self.serial("--junitxml=serial.xml", "-rA", cwd=self.folder / "suite")
        self.assertEqual(agent.wait(), status, agent.output)
        figures = r"\d+ failed, .*?(?= in )"
        self.assertEqual(re.findall(figures, agent.output)[-1], re.findall(figures, serial)[-1], agent.output)
        self.assert_same_junit(self.folder / "suite" / "serial.xml", self.folder / "suite" / "threads.xml")
        for text in ("Left contains", "At index", "out of 4", "log of 1", "ValueError: of the test", "own is down"):
            self.assertEqual(agent.output.count(text), serial.count(text), text)

    def test_width_is_kept_and_unsafe_tests_run_alone(self):
        gate = self.gate()
        agent = self.run_suite({"gate.py": gate.module, "test_it.py": CROWD}, width=3)
        gate.reached("together", 3)
        gate.open("together")
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("10 passed", agent.output)

    def test_options_of_pytest_parallel(self):
        for number, (words, ini) in enumerate(((["--tests-per-worker", "3"], ""), ([], "tests_per_worker = 3\n"))):
            with self.subTest(ini=ini):
                self.folder = self.folder / str(number)
                self.folder.mkdir()
                gate = self.gate()
                agent = self.run_suite({"gate.py": gate.module, "test_it.py": CROWD, "pytest.ini": "[pytest]\n" + ini},
                                       *words, width=0)
                gate.reached("together", 3)
                gate.open("together")
                self.assertEqual(agent.wait(), 0, agent.output)

    def test_failure_with_x_lets_the_others_in_hand_end(self):
        gate = self.gate()
        agent = self.run_suite({"gate.py": gate.module, "test_it.py":
                                "import gate, pytest\n@pytest.mark.parametrize('number', range(9))\n"
                                "def test_it(number):\n    gate.wait('go')\n    assert number != 1\n"}, "-x", width=3)
        gate.reached("go", 3)
        gate.open("go")
        self.assertEqual(agent.wait(), 1, agent.output)
        ran = int(re.search(r"(\d) passed", agent.output).group(1))
        self.assertTrue(1 <= ran <= 4, agent.output)

    def test_crash_names_one_and_runs_the_others_again(self):
        agent = self.run_suite({"test_it.py": "import os, pytest, time\n@pytest.mark.parametrize('number', range(8))\n"
                                "def test_it(number):\n    if number == 0: os._exit(3)\n    time.sleep(0.01)\n"})
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertIn("1 failed, 7 passed", agent.output)
        self.assertIn("test_it[0]' ", agent.output)

    def test_exit_ends_the_run(self):
        agent = self.run_suite({"test_it.py": "import pytest\ndef test_a(): pytest.exit('enough', returncode=9)\n"
                                "@pytest.mark.parametrize('number', range(40))\ndef test_b(number): pass\n"})
        self.assertEqual(agent.wait(), 9, agent.output)
        self.assertIn("enough", agent.output)

    def test_a_hook_around_tests_keeps_them_out_of_threads(self):
        agent = self.run_suite({"conftest.py": "import pytest\n@pytest.hookimpl(hookwrapper=True)\n"
                                "def pytest_runtest_call(item):\n    yield\n", "test_it.py":
                                "import threading\ndef test_a():\n"
                                "    assert threading.current_thread() is threading.main_thread()\n"})
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("no test runs in a thread: conftest wraps whole tests", agent.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
