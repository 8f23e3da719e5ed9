"""More workers than CPUs: where tests never waited a worker a CPU starts, and the rest when one waits."""

import os
import subprocess
import unittest

import harness

SUITE = {f"test_{name}.py": """\
import os, pathlib, time


def test_one(worker_id):
    assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == "4"
    if os.environ["TESTS"] == "compute":
        while time.process_time() < 0.4:
            pass
    else:  # four must be in this at once
        folder = pathlib.Path(os.environ["TESTS"])
        (folder / worker_id).touch()
        deadline = time.monotonic() + 60
        while len(list(folder.iterdir())) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.01)
""" for name in "abcdefgh"}


class CrowdTest(harness.TestCase):
    def run_on_one_cpu(self, suite, tests, *options):
        cpu = min(os.sched_getaffinity(0))
        done = subprocess.run(
            ["taskset", "-c", str(cpu), harness.MAKESPAN, "run", "-n", "4", *options, "--", *self.pytest("-q")],
            cwd=suite, capture_output=True, text=True, timeout=harness.PATIENCE_S,
            env=harness.clean_environ(XDG_CACHE_HOME=suite / "cache", TESTS=tests))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("8 passed", done.stdout)
        return done.stderr

    def test_workers_beyond_the_cpus_wait_for_tests_that_wait(self):
        suite = self.suite(SUITE)
        self.assertIn("on 4 workers", self.run_on_one_cpu(suite, "compute"))
        for start in "fork", "early":
            with self.subTest(start):
                said = self.run_on_one_cpu(suite, "compute", "--start", start)
                self.assertIn("on 1 worker ", said)
                self.assertIn("of 4 asked for, as no test waited", said)
        self.assertIn("on 4 workers", self.run_on_one_cpu(suite, "compute", "--all-workers"))
        meeting = suite / "meeting"
        meeting.mkdir()
        self.assertIn("on 4 workers", self.run_on_one_cpu(suite, str(meeting)))


if __name__ == "__main__":
    unittest.main()
