"""Suites made for pytest-xdist run unchanged, with it installed or without."""

import re
import unittest

import harness

PLAIN = "def test_a(): pass\ndef test_b(worker_id, testrun_uid): assert worker_id != 'master'\n"
# The interpreter sees pytest, but none of the plugins that the machine has.
HIDE = """
import sys
from importlib import abc, metadata

class Hidden(abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("xdist", "execnet"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
found = metadata.distributions
metadata.distributions = lambda **how: [
    one for one in found(**how) if "xdist" not in (one.metadata["Name"] or "")]
one = metadata.Distribution.from_name
def from_name(name):
    if "xdist" in name:
        raise metadata.PackageNotFoundError(name)
    return one(name)
metadata.Distribution.from_name = staticmethod(from_name)
"""
HOOKS = """
import pytest

def note(*words):
    with open("notes", "a") as notes:
        print(*words, file=notes)

def pytest_xdist_setupnodes(config, specs):
    note("setupnodes", len(specs))
def pytest_xdist_newgateway(gateway):
    note("newgateway", gateway.id)
def pytest_configure_node(node):
    note("configure", node.gateway.id)
    node.workerinput["db"] = "db_" + node.gateway.id
def pytest_testnodeready(node):
    note("ready", node.gateway.id)
def pytest_xdist_node_collection_finished(node, ids):
    note("collected", node.gateway.id, len(ids))
def pytest_testnodedown(node, error):
    note("down", node.gateway.id, error is not None, node.workeroutput.get("mine"))
def pytest_handlecrashitem(crashitem, report, sched):
    note("crash", crashitem)
def pytest_xdist_auto_num_workers(config):
    return 3
def pytest_xdist_make_scheduler(config, log):
    raise AssertionError("called")
def pytest_runtestloop(session):
    raise AssertionError("called")

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["mine"] = session.config.workerinput["db"]
"""
NODES = """
import os, pytest

@pytest.mark.parametrize("number", range(6))
def test_it(number, request):
    assert request.config.workerinput["db"] == "db_" + os.environ["PYTEST_XDIST_WORKER"]
    assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == str(request.config.workerinput["workercount"])
    if number == 3:
        os._exit(1)
"""
WHERE = """
import os, pytest

class TestOne:
    @pytest.mark.parametrize("number", range(4))
    def test_of_class(self, number, record_property):
        record_property("at", os.environ["PYTEST_XDIST_WORKER"])

@pytest.mark.parametrize("number", range(4))
@pytest.mark.xdist_group("group")
def test_of_group(number, record_property):
    record_property("at", os.environ["PYTEST_XDIST_WORKER"])
"""


class Xdist(harness.TestCase):
    def run_suite(self, files, *words, options=(), hide=False):
        suite = self.suite(files)
        env = {}
        if hide:
            (self.folder / "hide").mkdir()
            (self.folder / "hide" / "sitecustomize.py").write_text(HIDE)
            env["PYTHONPATH"] = str(self.folder / "hide")
        agent = self._keep(harness.Process(
            "agent", [harness.MAKESPAN, "run", *options, "--", *self.pytest(*words)],
            harness.clean_environ(**env), suite))
        return agent, suite

    def test_addopts_of_many_suites_run_with_xdist_and_without(self):
        """Every option of xdist, in addopts; what does nothing here says so."""
        ini = ("[pytest]\naddopts = -n 2 --dist {dist} --maxprocesses 4 --max-worker-restart 3 --maxschedchunk 5"
               " --no-loadscope-reorder --testrunuid me --rsyncdir . --px id=a//popen -p xdist {more}\nrsyncdirs = .\n")
        for number, (dist, more, hide) in enumerate((
                ("load", "", False), ("loadscope", "--forked", True), ("loadfile", "-d", True), ("loadgroup", "", False),
                ("worksteal", "--tx popen//chdir=.", True), ("no", "--tx 2*popen", True))):
            with self.subTest(dist=dist, hide=hide):
                self.folder = self.folder / str(number)
                self.folder.mkdir()
                text = ini.format(dist=dist, more=more)
                # Without xdist, -p xdist is an error of plain pytest, too.
                agent, _suite = self.run_suite({
                    "pytest.ini": text.replace(" -p xdist", "") if hide else text, "test_it.py": PLAIN},
                    "-o", "required_plugins=" + ("" if hide else "pytest-xdist"), hide=hide)
                self.assertEqual(agent.wait(), 0, agent.output)
                self.assertIn("2 passed", agent.output)
                self.assertIn("--maxschedchunk has no effect: a worker is given one test at a time", agent.output)
                self.assertIn("--rsyncdir has no effect", agent.output)

    def test_hooks_of_plugins_are_called(self):
        agent, suite = self.run_suite({"conftest.py": HOOKS, "test_it.py": NODES}, "-n", "auto")
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertIn("1 failed, 5 passed", agent.output)
        self.assertIn("pytest_xdist_make_scheduler is not called", agent.output)
        self.assertRegex(agent.output, r"pytest_runtestloop of \S+/conftest\.py is not called")
        notes = (suite / "notes").read_text().splitlines()
        self.assertEqual(notes[:7], ["setupnodes 3", "newgateway gw0", "configure gw0", "newgateway gw1",
                                     "configure gw1", "newgateway gw2", "configure gw2"])
        ready = [line.split()[1] for line in notes if line.startswith("ready ")]
        self.assertEqual([line.split()[1:] for line in notes if line.startswith("collected ")],
                         [[name, "6"] for name in ready])
        self.assertIn("crash test_it.py::test_it[3]", notes)
        downs = {line.split()[1]: line.split()[2:] for line in notes if line.startswith("down ")}
        self.assertEqual(sorted(downs), sorted(ready))
        for name, (crashed, mine) in downs.items():
            self.assertEqual(mine, "None" if crashed == "True" else "db_" + name)

    def where(self, suite):
        """{test's function: workers it ran on}, from the properties of the JUnit XML."""
        found = {}
        for case in harness.ElementTree.parse(suite / "out.xml").iter("testcase"):
            name = case.get("name").split("[")[0]
            found.setdefault(name, []).append(case.find("properties/property").get("value"))
        return found

    def test_each_runs_everything_in_every_worker(self):
        agent, suite = self.run_suite({"test_it.py": WHERE}, "-n", "2", "--dist", "each", "-v", "--junitxml=out.xml")
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("collected 8 items", agent.output)
        self.assertIn("16 passed", agent.output)
        self.assertEqual(len(re.findall(r"^\[gw[01]\] \[ *\d+%\] PASSED", agent.output, re.M)), 16, agent.output)
        for workers in self.where(suite).values():
            self.assertEqual(sorted(workers), ["gw0"] * 4 + ["gw1"] * 4)
        self.assertEqual(sorted(re.findall(r"^\[gw[01]\] \[ *(\d+)%\]", agent.output, re.M), key=int),
                         [str(n * 100 // 16) for n in range(1, 17)])
        self.assertRegex(agent.output, "16 of 16 tests ran here .*; complete")

    def test_each_shows_its_progress_once(self):
        agent, _suite = self.run_suite({"test_it.py": WHERE}, "-n", "2", "--dist", "each", "-q")
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertRegex(agent.output, r"(?m)^\.{16} +\[100%\]$")

    def test_each_says_what_it_does_not_keep(self):
        marked = "import pytest\n@pytest.mark.makespan(mutex='db')\ndef test_a(): pass\ndef test_b(): pass\n"
        agent, _suite = self.run_suite({"test_it.py": marked}, "-n", "2", "--dist", "each")
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("serial, mutex, threads and mem of 1 test do not hold between workers", agent.output)

    def test_each_goes_on_after_a_crash(self):
        agent, _suite = self.run_suite({"conftest.py": HOOKS, "test_it.py": NODES}, "-n", "2", "--dist", "each")
        self.assertEqual(agent.wait(), 1, agent.output)
        self.assertIn("2 failed, 10 passed", agent.output)

    def test_groups_and_scopes_stay_together(self):
        for dist, name in (("loadgroup", "test_of_group"), ("loadscope", "test_of_class"), ("loadfile", None)):
            with self.subTest(dist=dist):
                self.folder = self.folder / dist
                self.folder.mkdir()
                agent, suite = self.run_suite({"test_it.py": WHERE}, "-n", "2", "--dist", dist, "--junitxml=out.xml")
                self.assertEqual(agent.wait(), 0, agent.output)
                where = self.where(suite)
                together = where[name] if name else sum(where.values(), [])
                self.assertEqual(len(set(together)), 1, where)

    def test_looponfail_names_its_successor(self):
        agent, _suite = self.run_suite({"test_it.py": PLAIN}, "-f")
        self.assertEqual(agent.wait(), 4, agent.output)
        self.assertIn("use 'makespan watch -- pytest ...'", agent.output)

    def test_workers_elsewhere_are_told_how_to_join(self):
        agent, _suite = self.run_suite({"test_it.py": "def test_a(): pass\n"}, "--dist", "load", "--tx", "ssh=host")
        self.assertEqual(agent.wait(), 0, agent.output)
        self.assertIn("--tx ssh=host is not a worker on this machine: run 'makespan run' there", agent.output)

    def test_n_0_is_plain_pytest(self):
        agent, _suite = self.run_suite({"test_it.py": "def test_a(worker_id): assert worker_id == 'master'\n"},
                                       "-n", "0", "--dist", "load", "--tx", "3*popen")
        self.assertEqual(agent.wait(), 0, agent.output)

    def test_variable_says_what_auto_means(self):
        suite = self.suite({"test_it.py": "import os\ndef test_a(request):\n"
                            "    assert request.config.workerinput['workercount'] == 3\n"})
        env = harness.clean_environ(PYTEST_XDIST_AUTO_NUM_WORKERS="3")
        agent = self._keep(harness.Process(
            "agent", [harness.MAKESPAN, "run", "--", *self.pytest("-n", "auto")], env, suite))
        self.assertEqual(agent.wait(), 0, agent.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
