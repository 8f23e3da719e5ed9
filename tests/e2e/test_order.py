"""Who goes first: what failed in the last run, alone and between machines, beside pytest's own --ff."""

import unittest

import harness

# Tests of 50 ms, and one that is quick and collected last: without a reason it would go last.
SUITE = '''
import os, pathlib, time, pytest

LOG = pathlib.Path(os.environ["ORDER_LOG"])

def note(name):
    with LOG.open("a") as log:
        log.write("%s %d\\n" % (name, os.getpid()))

@pytest.mark.parametrize("number", range(8))
def test_slow(number):
    note(f"slow{number}")
    time.sleep(0.05)

def test_quick():
    note("quick")
    assert "MENDED" in os.environ
'''


class OrderTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.suite_ = self.suite({"test_order.py": SUITE})

    def ran(self, name):
        return (self.folder / name).read_text().split()[::2]

    def first_of_each_worker(self, name):
        """In whichever order they started."""
        first = {}
        for line in (self.folder / name).read_text().splitlines():
            test, worker = line.split()
            first.setdefault(worker, test)
        return set(first.values())

    def alone(self, log, *words, options=(), **env):
        agent = self.agent([*self.cached_pytest(), "-q", *words], options=options, cwd=self.suite_,
                           ORDER_LOG=self.folder / log, XDG_CACHE_HOME=self.folder / "cache", **env)
        return agent.wait()

    def cached_pytest(self):
        return [harness.PYTHON, "-m", "pytest"]

    def test_alone_what_failed_goes_first_until_it_passes(self):
        self.assertEqual(self.alone("first"), 1)
        self.assertEqual(self.alone("second", options=["--failed-first"], MENDED=1), 0)
        self.assertIn("quick", self.ran("second")[:2])
        self.assertEqual(self.alone("third", options=["--failed-first"], MENDED=1), 0)
        self.assertNotIn("quick", self.ran("third")[:6])
        for log in ("first", "second", "third"):
            self.assertEqual(len(self.ran(log)), 9)

    def test_alone_beside_pytests_own(self):
        self.assertEqual(self.alone("first"), 1)
        self.assertEqual(self.alone("second", "--ff", options=["--failed-first=50%"]), 1)
        self.assertIn("quick", self.ran("second")[:2])
        self.assertEqual(self.alone("third", "--lf", options=["--failed-first"], MENDED=1), 0)
        self.assertEqual(self.ran("third"), ["quick"])

    def test_a_share_that_is_none_is_refused(self):
        agent = self.agent(self.pytest(), options=["--failed-first=none"])
        self.assertEqual(agent.wait(), harness.USAGE)
        self.assertIn("--failed-first is a share from 0% to 100%, not 'none'", agent.output)

    def shared(self, coordinator, key, **env):
        agents = [self.agent(self.pytest("-q", "test_order.py"), coordinator, index=i, total=2, workers=1, key=key,
                             cwd=self.suite_, ORDER_LOG=self.folder / key, **env) for i in range(2)]
        return [agent.wait() for agent in agents]

    def test_between_machines(self):
        coordinator = self.coordinator()
        self.assertIn(1, self.shared(coordinator, "one"))
        coordinator.wait_for_line("history_folded")
        self.assertEqual(self.shared(coordinator, "two", MAKESPAN_FAILED_FIRST="20%", MENDED=1), [0, 0])
        self.assertIn("quick", self.first_of_each_worker("two"))
        self.assertEqual(len(self.ran("two")), 9)


if __name__ == "__main__":
    unittest.main(verbosity=2)
