"""The agent against a runner that speaks the frames well or badly: what it tells the reporter, how
it ends, and that nothing is left."""

import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
MAKESPAN = pathlib.Path(os.environ["MAKESPAN_BUILD"]) / "agent" / "makespan"
PATIENCE_S = 30
TESTS = 6

Done = collections.namedtuple("Done", "status frames err")


class AgentTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="msp-agent-")
        self.addCleanup(self.folder.cleanup)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("MAKESPAN_")}
        self.env.update(XDG_CACHE_HOME=self.folder.name + "/cache", TMPDIR=self.folder.name)

    def start(self, mode, *options, group=False):
        return subprocess.Popen(
            [MAKESPAN, "run", "-n", "2", *options, "--", sys.executable, HERE / "fake_runner.py", mode],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env, cwd=self.folder.name,
            start_new_session=group)

    def finish(self, process):
        out, err = process.communicate(timeout=PATIENCE_S)
        frames = [line.split(" ", 3) for line in out.split("\n") if line]
        left = [name for name in os.listdir(self.folder.name) if name.startswith("makespan.")]
        self.assertEqual(left, [], "the private folder is gone")
        return Done(process.returncode, frames, err)

    def run_mode(self, mode, *options):
        return self.finish(self.start(mode, *options))

    def of(self, done, kind):
        return [frame for frame in done.frames if frame[0] == kind]

    def blocks(self, done):
        return sorted(int(frame[1]) for frame in self.of(done, "BLOCK"))

    def end(self, done):
        (frame,) = self.of(done, "END")
        return json.loads(frame[3])["reason"]

    def test_runs_every_test_once_and_passes_the_exit_status_on(self):
        done = self.run_mode("normal")
        self.assertEqual(done.status, 0, done.err)
        self.assertEqual(self.blocks(done), list(range(TESTS)))
        self.assertEqual(self.end(done), "done")
        self.assertEqual(done.frames[-1][0], "END")
        self.assertIn("6 of 6 tests ran here", done.err)

    def test_closing_line_as_json(self):
        done = self.run_mode("normal", "--output", "json")
        closing = json.loads(done.err.splitlines()[-1])
        self.assertEqual((closing["finished"], closing["complete"], closing["exit"]), (TESTS, True, 0))

    def check_crash(self, mode, **wanted):
        done = self.run_mode(mode)
        (crash,) = self.of(done, "CRASH")
        told = json.loads(crash[3])
        self.assertEqual((int(crash[1]), told["id"], told["k"]), (2, "f.py::t2", 0))
        for name, value in wanted.items():
            self.assertEqual(told.get(name), value, told)
        self.assertEqual(self.blocks(done), [0, 1, 3, 4, 5])
        self.assertEqual(self.end(done), "done")
        return done

    def test_names_the_test_that_killed_its_worker(self):
        self.check_crash("crash", signal=signal.SIGSEGV)

    def test_kills_a_worker_that_sends_garbage(self):
        self.check_crash("garbage", signal=signal.SIGKILL)

    def test_kills_a_worker_whose_frame_is_too_large(self):
        self.check_crash("too-large", signal=signal.SIGKILL)

    def test_kills_a_worker_that_speaks_out_of_turn(self):
        self.check_crash("out-of-turn", signal=signal.SIGKILL)

    def test_kills_a_worker_that_names_an_unknown_test(self):
        self.check_crash("unknown-test", signal=signal.SIGKILL)

    def test_a_worker_that_closes_its_connection_is_lost(self):
        self.check_crash("silent-close", signal=signal.SIGKILL)

    def test_a_child_that_holds_the_connection_does_not_hide_the_death(self):
        self.check_crash("child-holds-socket", status=9)

    def test_a_test_that_asks_for_the_end_is_unrun_and_no_crash(self):
        done = self.run_mode("exit")
        self.assertEqual(self.of(done, "CRASH"), [])
        self.assertEqual(self.end(done), "stopped")
        self.assertEqual(done.status, 7)
        self.assertIn("not complete", done.err)

    def test_refuses_a_wrong_key_and_goes_on(self):
        done = self.run_mode("wrong-key")
        self.assertEqual(done.frames[0], ["REFUSED"])
        self.assertEqual(self.blocks(done), list(range(TESTS)))
        self.assertIn("its key is wrong", done.err)

    def test_refuses_a_second_reporter_and_goes_on(self):
        done = self.run_mode("second-hello")
        self.assertEqual(done.frames[0], ["REFUSED"])
        self.assertEqual(self.blocks(done), list(range(TESTS)))
        self.assertIn("one run holds one pytest", done.err)

    def test_says_so_when_nobody_spoke(self):
        done = self.run_mode("no-hello")
        self.assertEqual(done.status, 68)
        self.assertIn("ended with status 3 and no pytest in it spoke to makespan", done.err)

    def test_is_not_green_when_the_runner_ends_early_with_zero(self):
        self.assertEqual(self.run_mode("ends-early").status, 66)

    def test_is_not_green_when_the_collecting_process_dies(self):
        done = self.run_mode("zygote-dies")
        self.assertEqual(self.end(done), "broken")
        self.assertNotEqual(done.status, 0)

    def test_is_not_green_when_the_manifest_is_ragged(self):
        done = self.run_mode("bad-manifest")
        self.assertEqual(self.end(done), "broken")
        self.assertIn("MANIFEST", done.err)

    def check_early(self, mode, tests=TESTS):
        done = self.run_mode(mode, "--start", "early")
        self.assertEqual(self.blocks(done), list(range(tests)), done.err)
        return done

    def test_workers_that_collect_for_themselves_may_do_it_in_any_order(self):
        for start in ("early", "spawn"):
            for mode in ("normal", "other-order"):
                done = self.run_mode(mode, "--start", start)
                self.assertEqual(self.blocks(done), list(range(TESTS)), done.err)
                self.assertEqual((self.end(done), done.status), ("done", 0))

    def test_names_what_a_worker_collected_differently_and_goes_on_without_it(self):
        done = self.check_early("other-tests")
        (crash,) = self.of(done, "CRASH")
        self.assertIn("worker 'gw1' gets no tests: it collected other tests than the first process did;"
                      " only in the first: f.py::t0; only in this one: f.py::t6", crash[3])
        self.assertEqual([frame[1] for frame in self.of(done, "UP")], ["0"])

    def test_tells_why_a_worker_could_not_collect_and_goes_on_without_it(self):
        done = self.check_early("cannot-collect")
        (crash,) = self.of(done, "CRASH")
        self.assertIn("worker 'gw1' gets no tests: an import failed", crash[3])

    def test_replaces_a_worker_that_dies_while_it_collects(self):
        done = self.check_early("dies-collecting")
        (crash,) = self.of(done, "CRASH")
        self.assertIn("worker 'gw1' crashed while collecting: exit status 7", crash[3])

    def test_is_not_green_when_the_first_to_collect_dies(self):
        done = self.run_mode("first-dies-collecting", "--start", "early")
        self.assertEqual(self.end(done), "broken")
        (crash,) = self.of(done, "CRASH")
        self.assertIn("worker 'gw0' crashed while collecting: exit status 7", crash[3])
        self.assertNotEqual(done.status, 0)

    def test_is_not_green_when_nobody_can_start_workers(self):
        for start in ("fork", "early"):
            done = self.run_mode("forker-dies", "--start", start)
            self.assertEqual(self.end(done), "broken")
            self.assertNotEqual(done.status, 0)

    def test_refuses_an_unknown_start(self):
        done = self.run_mode("normal", "--start", "late")
        self.assertEqual(done.status, 64)
        self.assertIn("--start is fork, early, spawn or auto, not 'late'", done.err)

    def test_forwards_what_a_worker_says_at_its_end(self):
        done = self.run_mode("late")
        self.assertEqual({frame[3] for frame in self.of(done, "FORWARD")} - {"last words"}, {"output"})

    def wait_for_start(self, process):
        """Reads until a worker is inside the test that takes too long."""
        seen = []
        while "SLOW\n" not in seen:
            seen.append(process.stdout.readline())
            self.assertTrue(seen[-1], f"ended early: {seen}")

    def test_drains_on_sigterm_and_says_that_it_is_not_complete(self):
        process = self.start("slow")
        self.wait_for_start(process)
        process.send_signal(signal.SIGTERM)
        done = self.finish(process)
        self.assertEqual(done.status, 75)
        self.assertEqual(self.end(done), "interrupted")
        self.assertEqual(self.of(done, "CRASH"), [], "killed on purpose is no crash")

    def test_results_still_come_in_when_the_whole_group_is_signalled(self):
        """pytest itself dies at once; the running test ends within the time it has."""
        process = self.start("slow-2s", "--output", "json", group=True)
        self.wait_for_start(process)
        os.killpg(process.pid, signal.SIGTERM)
        done = self.finish(process)
        closing = json.loads(done.err.splitlines()[-1])
        self.assertEqual(self.of(done, "END"), [])
        # All may have been over; then only pytest's own death is left to tell.
        self.assertEqual(done.status, 143 if closing["complete"] else 75)
        self.assertGreaterEqual(closing["finished"], 3)

    def test_second_signal_kills_at_once(self):
        process = self.start("slow")
        self.wait_for_start(process)
        process.send_signal(signal.SIGTERM)
        self.assertIn("a second signal kills", process.stderr.readline())
        time.sleep(0.2)  # what comes at once is the first one, said twice
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process).status, 128 + signal.SIGTERM)

    def test_killed_agent_leaves_nothing(self):
        process = self.start("slow")
        self.wait_for_start(process)
        process.kill()
        self.assertEqual(self.finish(process).status, -signal.SIGKILL)  # communicate: all writers are gone

    def test_killed_group_leaves_nothing(self):
        process = self.start("slow", group=True)
        self.wait_for_start(process)
        os.killpg(process.pid, signal.SIGKILL)
        self.assertEqual(self.finish(process).status, -signal.SIGKILL)


if __name__ == "__main__":
    unittest.main()
