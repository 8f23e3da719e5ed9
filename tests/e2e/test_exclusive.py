"""Tests that must not meet, between two real machines: a mutex, the machine alone, the whole run alone, threads."""

import unittest

import harness

# Each test notes what else runs: on this machine, and on all.
SUITE = '''
import os, pathlib, time, pytest

HERE = pathlib.Path(os.environ["BUSY"])
MACHINE = os.environ["MACHINE"]

def busy(name, seconds=0.15):
    mark = HERE / f"{MACHINE}-{name}-{os.getpid()}"
    mark.touch()
    others = set()
    for _ in range(int(seconds / 0.02)):
        others |= {path.name.split("-", 2)[:2][0] + "-" + path.name.split("-")[1] for path in HERE.iterdir()}
        time.sleep(0.02)
    mark.unlink()
    others.discard(f"{MACHINE}-{name}")
    return others

@pytest.mark.makespan(mutex="port")
@pytest.mark.parametrize("number", range(6))
def test_mutex(number):
    assert not {other for other in busy(f"mutex{number}") if "mutex" in other}

@pytest.mark.makespan(serial="run")
@pytest.mark.parametrize("number", range(2))
def test_alone(number):
    assert not busy(f"alone{number}")

@pytest.mark.makespan(serial=True)
@pytest.mark.parametrize("number", range(2))
def test_serial(number):
    assert not {other for other in busy(f"serial{number}") if other.startswith(MACHINE)}

@pytest.mark.makespan(threads=2)
@pytest.mark.parametrize("number", range(2))
def test_threads(number):
    assert not {other for other in busy(f"threads{number}") if other.startswith(MACHINE)}

@pytest.mark.parametrize("number", range(12))
def test_usual(number):
    busy(f"usual{number}")
'''


class ExclusiveTest(harness.TestCase):
    def test_nothing_meets_that_must_not(self):
        coordinator = self.coordinator()
        suite = self.suite({"test_busy.py": SUITE})
        (self.folder / "busy").mkdir()
        agents = [self.agent(self.pytest("-q", "test_busy.py"), coordinator, index=i, total=2, workers=2, cwd=suite,
                             MACHINE=f"m{i}", BUSY=self.folder / "busy") for i in range(2)]
        self.assertEqual([agent.wait() for agent in agents], [0, 0], [agent.output for agent in agents])
        self.assert_green_and_complete(coordinator, 24)

    def test_a_machine_that_nobody_hears_ends_what_must_not_run_twice(self):
        """The mutex test of the one that is cut off has ended before the other machine is given it."""
        coordinator = self.coordinator()
        suite = self.suite({"test_cut.py": '''
import os, pathlib, time, pytest
TRIES = pathlib.Path(os.environ["TRIES"])

@pytest.fixture
def tries():
    begun = len(list(TRIES.iterdir()))
    mine = TRIES / str(begun)
    mine.write_text(repr(time.monotonic()))
    yield begun
    with mine.open("a") as file:
        file.write(" " + repr(time.monotonic()))

@pytest.mark.makespan(mutex="port")
def test_port(tries):
    if tries == 0:
        time.sleep(600)
'''})
        tries = self.folder / "tries"
        tries.mkdir()
        go = lambda i: self.agent(self.pytest("-q", "test_cut.py"), coordinator, index=i, total=2, workers=1,
                                  cwd=suite, options=["--patience", "60s"], MACHINE=f"m{i}", TRIES=tries)
        first = go(0)
        self.wait_until(lambda: list(tries.iterdir()))
        coordinator.kill9()
        first.wait_for_line("test_port may be given to another machine, as the coordinator does not answer,")
        self.wait_until(lambda: " " in (tries / "0").read_text())
        again = self.restart(coordinator)
        second = go(1)
        statuses = [first.wait(90), second.wait(90)]
        ended, begun = (tries / "0").read_text().split()[1], (tries / "1").read_text().split()[0]
        self.assertLess(float(ended), float(begun))
        self.assertEqual(statuses, [0, 0], [first.output, second.output])
        self.assert_green_and_complete(again, 1)

    def wait_until(self, holds):
        import time
        deadline = time.monotonic() + harness.PATIENCE_S
        while not holds():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)


if __name__ == "__main__":
    unittest.main(verbosity=2)
