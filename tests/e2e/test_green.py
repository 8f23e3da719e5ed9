"""If every agent job is green, the verdict is green: tried by ending agents at every step of a run.

The suite marks each step of its life (configure, collect, set-up, a test, teardown, finish). At
each of them one agent, or both, get a signal; then the suite may go on. Whatever the agents exit
with, the claim must hold: all 0 means a green verdict of a complete ledger."""

import contextlib
import signal
import unittest

import harness

TESTS = 12
STEPS = ["configure", "collect", "collected", "setup", "test", "teardown", "finish"]

CONFTEST = '''
import os
import gate
import pytest

STEP = os.environ.get("STEP")

def here(step):
    if STEP == step:
        gate.wait("at-" + os.environ["SCENE"])

@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    here("configure")

def pytest_collection(session):
    here("collect")

def pytest_collection_finish(session):
    here("collected")

@pytest.fixture(scope="session")
def wide():
    here("setup")
    yield
    here("teardown")

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    here("finish")
'''
TEST = '''
import conftest
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_step(number, wide):
    if number == 5:
        conftest.here("test")
'''


class GreenTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.gate_ = self.gate()
        self.suite_ = self.suite({"gate.py": self.gate_.module, "conftest.py": CONFTEST,
                                  "test_steps.py": TEST.format(count=TESTS)})

    def scene(self, coordinator, step, name, struck):
        """Two agents of one run; only those in `struck` stop at the step."""
        agents = []
        for index in range(2):
            env = {"STEP": step, "SCENE": name} if index in struck else {}
            agents.append(self.agent(self.pytest("-q", self.suite_), coordinator, index=index, total=2,
                                     workers=1, key=name, **env))
        return agents

    def strike(self, number, struck, label):
        """All steps at once, each a run of its own; then the claim for each."""
        coordinator = self.coordinator()
        scenes = {}
        for step in STEPS:
            name = f"{label}-{step}"
            scenes[name] = (step, self.scene(coordinator, step, name, struck))
        for name, (step, agents) in scenes.items():
            # A step may lie behind the end for an agent that got no test: then there is no mark.
            with contextlib.suppress(AssertionError):
                self.gate_.reached("at-" + name, 1, timeout_s=20)
            for index in struck:
                agents[index].signal(number)
            self.gate_.open("at-" + name)
        for name, (step, agents) in scenes.items():
            with self.subTest(scene=name):
                statuses = [agent.wait(90) for agent in agents]
                self.claim(coordinator, name, statuses)

    def claim(self, coordinator, key, statuses):
        status, verdict = self.verdict_now(coordinator, key)
        if statuses == [0, 0]:
            self.assertEqual((status, verdict["verdict"]), (0, "green"), verdict)
            self.assertTrue(verdict["complete"], verdict)
            self.assertEqual(sum(verdict["counts"].values()), TESTS, verdict)
        if verdict["verdict"] == "green":
            self.assertTrue(verdict["complete"], verdict)

    def verdict_now(self, coordinator, key):
        """The verdict of a run that nobody serves any more: closed, so that it is final."""
        return self.verdict(coordinator, "--close", key=key)

    def test_sigkill_of_one_agent(self):
        self.strike(signal.SIGKILL, {0}, "kill-one")

    def test_sigterm_of_one_agent(self):
        self.strike(signal.SIGTERM, {0}, "term-one")

    def test_sigint_of_one_agent(self):
        self.strike(signal.SIGINT, {1}, "int-one")

    def test_sigterm_of_both_agents(self):
        self.strike(signal.SIGTERM, {0, 1}, "term-both")


if __name__ == "__main__":
    unittest.main(verbosity=2)
