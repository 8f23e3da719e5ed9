"""--isolate, --forked and @pytest.mark.forked: a test in a fork of its own is nobody else's harm."""

import os
import signal
import unittest

import harness

STATE = """
    import os, pytest
    SEEN = []

    @pytest.fixture(scope="session")
    def costly():
        with open("costly", "a") as log:
            log.write("up\\n")
        yield os.getpid()
        with open("costly", "a") as log:
            log.write("down\\n")

    @pytest.fixture
    def own(costly):
        SEEN.append(1)
        yield costly
        assert SEEN == [1]

    @pytest.mark.parametrize("number", range(4))
    def test_spoils(own, number, tmp_path):
        assert SEEN == [1] and own == os.getppid()
        os.environ["SPOILT"] = SEEN[0] = str(number)
        SEEN[0] = 1
"""
DEATHS = """
    import ctypes, os, pytest, signal, sys

    def test_before(): pass
    def test_killed():
        print("last words")
        os.kill(os.getpid(), signal.SIGKILL)
    def test_exits():
        os.write(2, b"leaving\\n")
        os._exit(7)
    @pytest.mark.xfail(reason="aborts")
    def test_expected():
        os.abort()
    @pytest.mark.xfail(raises=ValueError)
    def test_not_expected():
        os._exit(9)
    def test_fails_then_dies(request):
        request.addfinalizer(lambda: os._exit(3))
        assert 1 == 2
    def test_after(): pass
"""
# A wider fixture that lives in a thread: inherited, it would answer nobody.
THREAD = """
    import pytest, queue, threading

    @pytest.fixture(scope="session")
    def server():
        asked, answers = queue.Queue(), queue.Queue()
        def serve():
            for number in iter(asked.get, None):
                answers.put(number + 1)
        thread = threading.Thread(target=serve)
        thread.start()
        def ask(number):
            asked.put(number)
            return answers.get(timeout=60)
        yield ask
        asked.put(None)
        thread.join()

    @pytest.mark.forked
    @pytest.mark.parametrize("number", range(2))
    def test_alone(server, number):
        assert server(number) == number + 1
    def test_here(server):
        assert server(5) == 6
    @pytest.mark.forked
    def test_alone_again(server):
        assert server(5) == 6
"""
LATE = """
    import atexit, os, pytest, tempfile

    @pytest.fixture(scope="module")
    def wide():
        yield os.getpid()
        print("wide is down")

    def test_asks_later(request):
        print("pid", request.getfixturevalue("wide") == os.getpid())
    def test_leaves_nothing():
        global kept
        kept = tempfile.TemporaryDirectory(dir=".", prefix="kept-")
        atexit.register(lambda: open("atexit", "w").close())
    def test_warns():
        import warnings
        warnings.warn("seen once")
    def test_fails():
        assert [1, 2] == [1, 3]
"""


def text(body):
    return "\n".join(line[4:] for line in body.splitlines())


class Isolate(harness.TestCase):
    def run_suite(self, body, *words, options=("--isolate",), workers=1, **env):
        suite = self.suite({"test_it.py": text(body)})
        agent = self.agent(self.pytest(*words), cwd=suite, workers=workers, options=options, **env)
        return agent, suite

    def test_each_test_finds_the_fixtures_as_they_were_set_up(self):
        agent, suite = self.run_suite(STATE)
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("4 passed", agent.output)
        self.assertEqual((suite / "costly").read_text(), "up\ndown\n")

    def test_forked_of_pytest_forked_needs_no_plugin(self):
        agent, _suite = self.run_suite(STATE, "--forked", options=())
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("4 passed", agent.output)

    def test_deaths_are_tests_that_crashed_and_the_worker_lives(self):
        agent, _suite = self.run_suite(DEATHS, "-rA")
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertRegex(agent.output, "4 failed, 2 passed, 1 xfailed, 1 error")
        self.assertIn("test_killed' died: killed by SIGKILL (9)", agent.output)
        self.assertIn("last words", agent.output)
        self.assertIn("test_exits' died: exit status 7", agent.output)
        self.assertIn("leaving", agent.output)
        self.assertNotIn("workers crashed", agent.output)

    def test_a_mark_that_makes_no_sense_is_an_error_of_its_test(self):
        agent, _suite = self.run_suite("""
    import pytest
    @pytest.mark.skipif(True)
    def test_bad(): pass
    def test_good(): pass
""")
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertIn("1 passed, 1 error", agent.output)

    def test_exit_with_a_code_of_pytest(self):
        agent, _suite = self.run_suite("""
    import pytest
    def test_exit(): pytest.exit("bye", returncode=pytest.ExitCode.USAGE_ERROR)
""")
        self.assertEqual(agent.wait(), 4, agent.output)
        self.assertIn("Exit: bye", agent.output)

    def test_first_death_ends_a_run_with_x(self):
        agent, _suite = self.run_suite(DEATHS, "-x")
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertRegex(agent.output, "1 failed, 1 passed")

    def test_what_a_fork_cannot_use_is_set_up_in_it(self):
        agent, _suite = self.run_suite(THREAD, options=())
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("4 passed", agent.output)
        self.assertIn("holds threads or sockets", agent.output)

    def test_socket_of_a_fixture_that_was_there_before_the_first_isolated_test(self):
        agent, _suite = self.run_suite("""
    import os, pytest, socket
    @pytest.fixture(scope="session")
    def link():
        ours, theirs = socket.socketpair()
        yield os.getpid()
        ours.close(), theirs.close()
    def test_here(link): assert link == os.getpid()
    @pytest.mark.forked
    def test_alone(link): assert link == os.getpid()  # set up in the child
""", options=())
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("2 passed", agent.output)
        self.assertIn("holds threads or sockets", agent.output)

    def test_idle_threads_of_tests_per_worker_are_no_fixture(self):
        agent, _suite = self.run_suite("""
    import os, pytest, time
    @pytest.fixture(scope="session")
    def wide(): yield os.getpid()
    @pytest.mark.parametrize("number", range(4))
    def test_here(wide, number): time.sleep(0.02)
    @pytest.mark.forked
    def test_alone(wide): assert wide == os.getppid()
""", options=("--tests-per-worker", "4"))
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertNotIn("holds threads or sockets", agent.output)

    def test_child_ends_as_a_process_does(self):
        agent, suite = self.run_suite(LATE, "-rP")
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertIn("1 failed, 3 passed, 1 warning", agent.output)
        self.assertIn("pid True", agent.output)
        self.assertEqual(agent.output.count("wide is down"), 1)
        self.assertIn("At index 1 diff: 2 != 3", agent.output)
        self.assertEqual([path.name for path in suite.glob("kept-*")], [])
        self.assertTrue((suite / "atexit").exists())

    def test_wider_fixtures_that_skip_or_fail_do_so_in_each_test(self):
        agent, _suite = self.run_suite("""
    import pytest
    class TestSkips:
        @classmethod
        def setup_class(cls): pytest.skip("no such thing here")
        def test_a(self): pass
        def test_b(self): pass
    @pytest.fixture(scope="module")
    def broken(): raise RuntimeError("of the fixture")
    def test_c(broken): pass
    def test_d(broken): pass
    def test_e(): pass
""")
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertRegex(agent.output, "1 passed, 2 skipped, 2 errors")
        self.assertEqual(agent.output.count("E   RuntimeError: of the fixture")
                         + agent.output.count("E       RuntimeError: of the fixture"), 2)

    def test_unittest_classes_are_set_up_in_each_child(self):
        agent, _suite = self.run_suite("""
    import os, unittest
    class TestIt(unittest.TestCase):
        @classmethod
        def setUpClass(cls): cls.pid = os.getpid()
        @classmethod
        def tearDownClass(cls): assert cls.pid == os.getpid()
        def test_a(self): self.assertEqual(self.pid, os.getpid())
        def test_b(self): self.assertEqual(self.pid, os.getpid())
""")
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("2 passed", agent.output)

    def test_isolated_tests_among_others(self):
        """What is named next, and when it is, is no business of the child."""
        agent, _suite = self.run_suite("""
    import pytest, time
    @pytest.mark.parametrize("number", range(12))
    class TestMixed:
        def test_here(self, number): time.sleep(0.002)
        @pytest.mark.forked
        def test_alone(self, number): time.sleep(0.002)
""", options=(), workers=2)
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("24 passed", agent.output)

    def test_exit_and_skips_mean_what_they_mean(self):
        agent, _suite = self.run_suite("""
    import os, pytest
    @pytest.mark.skip(reason="not now")
    def test_skipped(): pass
    def test_skips(): pytest.skip("later")
    def test_leaves(): pytest.exit("enough", returncode=9)
    def test_never(): pass
""", "-rs")
        self.assertEqual(agent.wait(), 9, agent.output)
        self.assertIn("enough", agent.output)
        self.assertIn("2 skipped", agent.output)

    def test_ctrl_c_reaches_the_child(self):
        gate = self.gate()
        suite = self.gated_suite(gate, 1)
        agent = self.agent(self.pytest(), cwd=suite, workers=1, options=["--isolate"])
        child = gate.reached("go")[0]
        agent.signal(signal.SIGINT)
        self.assertEqual(agent.wait(), 2, agent.output)
        self.assertIn("KeyboardInterrupt", agent.output)
        with self.assertRaises(ProcessLookupError):
            os.kill(child, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
