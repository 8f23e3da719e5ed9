"""How workers start: auto finds what a fork would lose or share, says so, and starts them so that every
suite is right; what was asked for is obeyed, with a warning.

The suites are those of tests/hazards. Where pytest-xdist is installed they run by it too, since its
workers are fresh processes: what holds there must hold here.
"""

import json
import os
import re
import sys
import unittest

import harness

HAZARDS = harness.ROOT / "tests" / "hazards"
XDIST = os.path.isdir("/usr/lib/python3/dist-packages/xdist")
STARTED = {"fork": "(forked)", "early": "(started early)", "spawn": "(started afresh)"}


class StartTest(harness.TestCase):
    def run_suite(self, name, *options, **more):
        return self.agent(self.pytest("-q", "-p", "no:cacheprovider", HAZARDS / name), options=options, **more)

    def check(self, name, start, reason, count):
        """By auto: all pass, by that start, and a line says why. Asked for: the same start, no forks of
        what must not be forked."""
        agent = self.run_suite(name)
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn(STARTED[start], agent.output)
        self.assertRegex(agent.output, r"(?m)^makespan: workers start \w+, each collecting for itself: .*" + reason)
        self.assertIn(f"{count} passed", agent.output)
        spawned = self.run_suite(name, "--start", "spawn")
        self.assertEqual(spawned.wait(), 0, spawned.output)
        self.assertIn(STARTED["spawn"], spawned.output)
        self.assertNotIn("as asked", spawned.output)
        self.by_xdist(name, count)
        return agent

    def by_xdist(self, name, count):
        if not XDIST:
            return
        command = [harness.PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n2", HAZARDS / name]
        run = self._keep(harness.Process("xdist", command, harness.clean_environ(), self.folder))
        run.wait()
        if f"{count} passed" not in run.output:
            print(f"{self.id()}: the pytest-xdist installed here does otherwise", file=sys.stderr)

    def obeyed(self, name, start, *, passes=None):
        agent = self.run_suite(name, "--start", start)
        status = agent.wait()
        self.assertIn(STARTED[start], agent.output)
        self.assertRegex(agent.output, r"(?m)^makespan: workers .*, as asked, although ")
        if passes is not None:
            self.assertEqual(status == 0, passes, agent.output)
        return agent

    def test_our_bytecode_is_kept_and_nobody_elses_is_made(self):
        """PYTHONDONTWRITEBYTECODE, which the harness sets, is about the files of the user."""
        cache = self.folder / "cache"
        made = []
        for _run in range(2):
            agent = self.run_suite("threads_at_import", XDG_CACHE_HOME=cache)
            self.assertEqual(agent.wait(), 0, agent.output)
            made.append({path: path.stat().st_mtime_ns for path in cache.rglob("*.pyc")})
        self.assertEqual(made[0], made[1])
        self.assertIn("hooks", {path.name.partition(".")[0] for path in made[0]})
        self.assertEqual(list((HAZARDS / "threads_at_import").rglob("*.pyc")), [])

    def test_threads_started_while_collecting(self):
        agent = self.check("threads_at_import", "early",
                           r"thread 'server' \(started at \S*test_threads\.py:\d+\) would not exist in a fork", 4)
        self.assertRegex(agent.output, r"what took \d+\.\d s is collected again")
        self.obeyed("threads_at_import", "fork", passes=False)

    def test_event_loop_made_while_collecting(self):
        self.check("loop_at_import", "early", "an event loop .*would be shared by all forks", 7)
        self.obeyed("loop_at_import", "fork", passes=False)

    def test_database_opened_before_configure(self):
        self.check("database_at_import", "spawn", r"file \S+db\.sqlite open for writing would be shared", 10)
        self.obeyed("database_at_import", "early", passes=False)

    def test_identity_read_before_configure(self):
        self.check("identity_at_import", "spawn", r"conftest\.py:\d+ reads PYTEST_XDIST_WORKER", 6)
        self.obeyed("identity_at_import", "fork", passes=False)

    def test_identity_read_while_configuring(self):
        self.check("identity_at_configure", "early", r"conftest\.py:\d+ reads workerinput\['database'\]", 6)
        self.obeyed("identity_at_configure", "fork", passes=False)

    def test_what_was_seen_once_is_not_collected_in_vain_again(self):
        cache = self.folder / "known"
        suite = self.suite({"conftest.py": (HAZARDS / "identity_at_configure/conftest.py").read_text(),
                            "test_it.py": "def test_it(pytestconfig):\n"
                                          "    name = pytestconfig.workerinput['workerid']\n"
                                          "    assert pytestconfig.database == 'db_' + name\n"})

        def run(*words):
            agent = self.agent(self.pytest("-q", "-p", "no:cacheprovider", *words), cwd=suite, XDG_CACHE_HOME=cache)
            self.assertEqual(agent.wait(), 0, agent.output)
            self.assertIn("1 passed", agent.output)
            return agent.output

        self.assertIn("is collected again", run())
        for ago in 1, 2:
            again = run()
            self.assertNotIn("is collected again", again)
            self.assertRegex(again, rf"workers start early.*workerinput\['database'\].*\(seen {ago} runs? ago\)")
            self.assertIn(STARTED["early"], again)
        self.assertIn("is collected again", run("--strict-markers"))  # another command
        (suite / "conftest.py").write_text("")
        (suite / "test_it.py").write_text("def test_it(): pass\n")
        self.assertIn(STARTED["fork"], run("--strict-markers"))
        self.assertIn(STARTED["fork"], run("--strict-markers"))

    def test_one_worker_has_one_identity(self):
        agent = self.run_suite("identity_at_configure", workers=1)
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn(STARTED["fork"], agent.output)

    def test_what_is_harmless_is_forked_without_a_word(self):
        """A log file that is appended to, a copy of the environment, a thread that has ended."""
        suite = self.suite({"conftest.py": "import logging, os, threading\n"
                            "logging.getLogger().addHandler(logging.FileHandler('log.txt', 'a'))\n"
                            "COPY, ALSO = dict(os.environ), os.environ.copy()\n"
                            "def pytest_configure(config):\n"
                            "    config.environ = {**os.environ}\n"
                            "thread = threading.Thread(target=int)\nthread.start()\nthread.join()\n",
                            "test_a.py": "def test_a(): pass\ndef test_b(): pass\n"})
        agent = self.agent(self.pytest("-q", suite), cwd=suite)
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn(STARTED["fork"], agent.output)
        self.assertNotIn("workers start", agent.output)

    def test_json_names_the_start(self):
        for start in STARTED:
            agent = self.run_suite("hash_order", "--start", start, "--output", "json")
            self.assertEqual(agent.wait(), 0, agent.output)
            self.assertEqual(json.loads(agent.output.splitlines()[-1])["start"], start)

    def test_same_as_serial_in_every_start(self):
        """Ids, outcomes and what the JUnit XML holds."""
        suite = harness.ROOT / "tests" / "e2e" / "suites" / "outcomes"
        serial_xml, xml = self.folder / "serial.xml", self.folder / "run.xml"
        status, _ = self.serial("-q", suite, f"--junit-xml={serial_xml}")
        for start in STARTED:
            agent = self.agent([*self.pytest("-q", suite), f"--junit-xml={xml}"], options=("--start", start))
            self.assertEqual(agent.wait(), status, agent.output)
            self.assertIn(STARTED[start], agent.output)
            self.assert_same_junit(serial_xml, xml)

    def test_workers_that_collect_other_tests_are_named(self):
        """Where the ids depend on the worker; what is in the first collection runs, and the run is red."""
        suite = self.suite({"test_a.py": "import os, pytest\n"
                            "@pytest.mark.parametrize('w', ['a', os.environ.get('PYTEST_XDIST_WORKER')])\n"
                            "def test_a(w): pass\n"})
        for start in ("early", "spawn"):
            agent = self.agent(self.pytest("-q", suite), options=("--start", start))
            self.assertEqual(agent.wait(), 1, agent.output)
            self.assertRegex(agent.output, r"worker 'gw1' gets no tests: it collected other tests than the first "
                             r"process did; only in the first: \S*test_a\[gw0\]; only in this one: \S*test_a\[gw1\]")
            self.assertIn("2 passed", agent.output)

    def test_collection_that_only_one_process_can_do_is_named(self):
        """A port taken at import: xdist's second worker fails alike."""
        suite = self.suite({"test_a.py": "import os, pytest\n"
                            "LOCK = os.open('lock', os.O_CREAT | os.O_EXCL)\n"
                            "def test_a(): pass\ndef test_b(): pass\n"})
        agent = self.agent(self.pytest("-q", suite), options=("--start", "early"), cwd=suite)
        self.assertNotEqual(agent.wait(), 0, agent.output)
        self.assertRegex(agent.output, r"gets no tests: 1 error during collection|FileExistsError")

    def test_dead_workers_are_replaced(self):
        suite = self.suite({"test_a.py": "import os, pytest\n"
                            "@pytest.mark.parametrize('n', range(8))\n"
                            "def test_a(n):\n    if n in (2, 5): os._exit(3)\n"})
        for start in STARTED:
            agent = self.agent(self.pytest("-q", suite), options=("--start", start))
            self.assertEqual(agent.wait(), 1, agent.output)
            self.assertIn("2 failed, 6 passed", agent.output)
            self.assertEqual(len(re.findall(r"^FAILED .*test_a\[[25]\]", agent.output, re.M)), 2)

    def test_two_machines_start_each_as_it_must(self):
        coordinator = self.coordinator()
        agents = [self.agent(self.pytest("-q", HAZARDS / "threads_at_import"), coordinator, index=index, total=2,
                             options=("--start", start)) for index, start in enumerate(("auto", "spawn"))]
        for agent in agents:
            self.assertEqual(agent.wait(), 0, agent.output)
        status, verdict = self.verdict(coordinator)
        self.assertEqual((status, verdict["verdict"]), (0, "green"), verdict)


if __name__ == "__main__":
    unittest.main()
