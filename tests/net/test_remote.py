"""The agent's network side against a coordinator that loses answers, refuses, stalls, restarts and
goes away: every result is delivered exactly once, or it is said and kept."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

import rough_coordinator

BUILD = pathlib.Path(os.environ["MAKESPAN_BUILD"])
DRIVE = BUILD / "tests" / "net" / "drive"
TOKEN = "msp_very_secret"
TESTS = 40
KINDS = ("join", "collected", "part", "pull", "results", "leave")


class RemoteTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.children = []

    def tearDown(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.communicate()

    def coordinator(self, **settings):
        coordinator = rough_coordinator.Coordinator(self.folder, **settings)
        self.addCleanup(coordinator.stop)
        return coordinator

    def start(self, coordinator, tests=TESTS, workers=2, ms=5, ca=None, patience="20s"):
        env = {"PATH": os.environ["PATH"], "MAKESPAN_URL": coordinator.url,
               "MAKESPAN_CA": str(ca or coordinator.pin), "MAKESPAN_TOKEN": TOKEN,
               "MAKESPAN_RUN_KEY": "k", "XDG_STATE_HOME": str(self.folder / "state")}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        child = subprocess.Popen([DRIVE, str(tests), str(workers), str(ms), "--patience", patience],
                                 env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.children.append(child)
        return child

    def end(self, child):
        output = child.stdout.read()  # not communicate(): it loses what line_with() has read ahead
        child.wait(60)
        self.assertNotIn(TOKEN, output)
        return child.returncode, output

    def kept(self):
        return sorted(self.folder.glob("state/makespan/outbox/*/*.json"))

    def assert_all_once(self, coordinator, child):
        status, output = self.end(child)
        self.assertEqual(status, 0, output)
        self.assertIn("left 0 green", output)
        self.assertEqual(set(coordinator.results), set(coordinator.ids))
        self.assertEqual(set(coordinator.results.values()), {1})
        for numbers in coordinator.numbers.values():
            self.assertEqual(sorted(numbers), list(range(1, len(numbers) + 1)))
        self.assertEqual(list((self.folder / "state").rglob("*.json")), [])
        return output

    def test_all_results_arrive_once_when_nothing_goes_wrong(self):
        coordinator = self.coordinator()
        self.assert_all_once(coordinator, self.start(coordinator))
        bearers = {request[2] for request in coordinator.requests if request[0] != "join"}
        self.assertEqual(bearers, {"Bearer mss_s0"})

    def test_every_kind_of_request_survives_every_single_fault(self):
        for fault in ("lose", "mute", "503", "html"):
            with self.subTest(fault=fault):
                coordinator = self.coordinator()
                for kind in KINDS:
                    coordinator.faults[kind].append(fault)
                self.assert_all_once(coordinator, self.start(coordinator))
                self.assertEqual(len(coordinator.sessions), 1)

    def test_results_survive_many_lost_answers_in_a_row(self):
        coordinator = self.coordinator()
        coordinator.faults["results"].extend(["mute", "lose", "mute", "503"])
        coordinator.faults["pull"].extend([None, "mute", "mute", "lose"])
        self.assert_all_once(coordinator, self.start(coordinator))

    def test_orders_that_come_again_are_not_run_again(self):
        coordinator = self.coordinator()
        coordinator.repeat_orders = True
        self.assert_all_once(coordinator, self.start(coordinator))

    def test_results_travel_together_when_answers_are_slow(self):
        coordinator = self.coordinator(shard=50)
        coordinator.faults["results"].extend([0.3] * 50)
        self.assert_all_once(coordinator, self.start(coordinator, tests=200, ms=1))
        self.assertLess(coordinator.count("results"), 20)

    def test_a_restart_is_said_once_and_costs_nothing(self):
        coordinator = self.coordinator()
        child = self.start(coordinator, ms=50)
        coordinator.wait_until(lambda: len(coordinator.results) >= 5)
        coordinator.stop()
        self.assertRegex(self.line_with(child, "does not answer"), "up to 20 s")
        coordinator.start()
        output = self.assert_all_once(coordinator, child)
        self.assertEqual(output.count("does not answer"), 0)  # the one was read above
        self.assertEqual(output.count("answers again after"), 1)

    def line_with(self, child, part):
        for line in child.stdout:
            if part in line:
                return line
        raise AssertionError(f"it ended without saying {part!r}")

    def test_results_are_kept_when_the_coordinator_stays_away(self):
        coordinator = self.coordinator(shard=TESTS)
        child = self.start(coordinator, ms=30, patience="3s")
        coordinator.wait_until(lambda: len(coordinator.results) >= 3)
        coordinator.stop()
        status, output = self.end(child)
        self.assertEqual(status, 74, output)
        self.assertRegex(output, "failed coordinator-unreachable: no answer from the coordinator for 3 s")
        bodies = [json.loads(path.read_text()) for path in self.kept()]
        self.assertIn(str(self.kept()[0].parent), output)
        self.assertEqual([path.name for path in self.kept()],
                         [f"{body['request']:08}.json" for body in bodies])
        kept = {r["test"][0] for body in bodies for r in body.get("results", ())}
        self.assertTrue(kept)
        self.assertFalse(kept & {t for t, n in coordinator.results.items() if n} - self.last(coordinator))

    def last(self, coordinator):
        """What the last request held: taken, and perhaps not acknowledged."""
        (numbers,) = coordinator.numbers.values()
        body = json.loads(numbers[max(numbers)])
        return {r["test"][0] for r in body.get("results", ())}

    def test_a_session_that_is_gone_delivers_what_it_measured_and_fails(self):
        for kind in ("results", "pull"):
            with self.subTest(kind=kind):
                coordinator = self.coordinator(shard=TESTS)
                coordinator.faults[kind].extend([None, *["gone"] * 100])
                coordinator.faults["join"].extend([None, "over"])
                if kind == "pull":
                    coordinator.faults["results"].extend(["gone"] * 100)
                status, output = self.end(self.start(coordinator))
                self.assertEqual(status, 74)
                self.assertRegex(output, "failed session-gone: the coordinator gave this machine up.*, and run r1 has ended")
                self.assertTrue(coordinator.results)
                self.assertEqual(set(coordinator.results.values()), {1})
                self.assertEqual(self.kept(), [], output)

    def test_what_is_measured_while_joining_again_is_delivered(self):
        coordinator = self.coordinator(shard=TESTS)
        coordinator.faults["pull"].extend([None, *["gone"] * 100])
        coordinator.faults["results"].extend(["gone"] * 100)
        coordinator.faults["join"].extend([None, "503", "503", "over"])  # asked again, later and later
        status, output = self.end(self.start(coordinator, ms=150))
        self.assertEqual(status, 74)
        self.assertRegex(output, "failed session-gone: .*, and run r1 has ended")
        self.assertEqual(self.kept(), [], output)

    def test_an_agent_that_is_given_up_again_and_again_fails(self):
        coordinator = self.coordinator(shard=TESTS)
        coordinator.faults["pull"].extend([None, *["gone"] * 100])
        status, output = self.end(self.start(coordinator, ms=2000))
        self.assertEqual(status, 74, output)
        self.assertEqual(coordinator.count("join"), 4, output)

    def test_results_of_an_outage_are_delivered_to_a_coordinator_that_gave_us_up(self):
        coordinator = self.coordinator(shard=TESTS)
        child = self.start(coordinator, ms=30)
        coordinator.wait_until(lambda: len(coordinator.results) >= 3)
        coordinator.stop()
        self.line_with(child, "does not answer")
        coordinator.faults["results"].extend(["gone"] * 100)
        coordinator.faults["pull"].extend(["gone"] * 100)
        coordinator.faults["join"].append("over")
        measured = len(coordinator.results)
        coordinator.start()
        status, output = self.end(child)
        self.assertRegex(output, "failed session-gone")
        self.assertEqual(status, 74)
        self.assertGreater(len(coordinator.results), measured)
        self.assertEqual(self.kept(), [], output)

    def test_a_refused_token_ends_at_once(self):
        coordinator = self.coordinator()
        coordinator.faults["join"].append("401")
        status, output = self.end(self.start(coordinator))
        self.assertRegex(output, "failed token-refused: no\n")
        self.assertEqual(coordinator.count("join"), 1)

    def test_a_session_that_would_be_a_path_is_refused(self):
        coordinator = self.coordinator()
        coordinator.session_prefix = "../../x"
        _, output = self.end(self.start(coordinator))
        self.assertRegex(output, "failed malformed: the coordinator gave the session an id")

    def test_a_slot_that_is_still_taken_is_waited_for(self):
        coordinator = self.coordinator()
        coordinator.faults["join"].extend(["taken", "taken"])
        output = self.assert_all_once(coordinator, self.start(coordinator))
        self.assertEqual(output.count("say slot 0; waiting up to 12 s"), 1)

    def test_a_join_whose_session_died_is_made_anew(self):
        coordinator = self.coordinator()
        coordinator.faults["join"].extend(["mute", "gone"])
        self.assert_all_once(coordinator, self.start(coordinator))
        self.assertEqual(len(coordinator.sessions), 2)

    def test_an_answer_that_is_none_ends_the_run(self):
        for kind in KINDS:
            with self.subTest(kind=kind):
                coordinator = self.coordinator()
                coordinator.faults[kind].append("garbage")
                _, output = self.end(self.start(coordinator))
                self.assertRegex(output, "failed malformed: not JSON")

    def test_beats_come_while_a_long_test_runs(self):
        coordinator = self.coordinator(beat_ms=1000)
        self.assert_all_once(coordinator, self.start(coordinator, tests=1, workers=1, ms=3500))
        times = [request[3] for request in coordinator.requests if request[0] in ("results", "leave")]
        gaps = [b - a for a, b in zip(times, times[1:])]
        self.assertGreaterEqual(len(gaps), 2)
        self.assertLess(max(gaps), 2.0)

    def test_what_must_not_run_twice_hears_of_it_before_the_session_may_be_over(self):
        coordinator = self.coordinator(shard=TESTS, session_ms=6000, beat_ms=500)
        child = self.start(coordinator, ms=300)
        coordinator.wait_until(lambda: len(coordinator.results) >= 2)
        coordinator.stop()
        self.line_with(child, "cut off")  # 4 s before the 6 are over
        coordinator.start()
        output = self.assert_all_once(coordinator, child)
        self.assertNotIn("cut off", output)

    def test_recalled_tests_that_have_not_started_go_back(self):
        coordinator = self.coordinator(shard=TESTS)

        def recall():
            return {"kind": "recall", "tests": [[i, 0] for i in coordinator.ids[20:30]]}

        def first():
            tests = [[coordinator.waiting_ids.popleft(), 0, 1000] for _ in range(TESTS)]
            return {"kind": "shard", "fence": 1, "tests": tests}

        coordinator.script.extend([first, recall])
        self.assert_all_once(coordinator, self.start(coordinator, ms=10))
        self.assertEqual(set(coordinator.released), set(coordinator.ids[20:30]))

    def test_cancel_gives_everything_unstarted_back(self):
        coordinator = self.coordinator(shard=TESTS)
        child = self.start(coordinator, ms=200)
        coordinator.wait_until(lambda: coordinator.orders)
        with coordinator.lock:
            coordinator.script.append({"kind": "cancel", "reason": "enough"})
            coordinator.script.append({"kind": "end", "complete": False, "exit": 1, "message": "cut"})
            coordinator.lock.notify_all()
        status, output = self.end(child)
        self.assertIn("cancelled enough", output)
        self.assertIn("ended cut", output)
        self.assertEqual(status, 75)
        self.assertEqual(len(coordinator.released) + len(coordinator.results), TESTS)

    def test_drain_gives_back_delivers_and_leaves(self):
        coordinator = self.coordinator(shard=TESTS)
        child = self.start(coordinator, ms=200)
        coordinator.wait_until(lambda: coordinator.orders and coordinator.pull_number >= 2)
        child.send_signal(signal.SIGTERM)
        status, output = self.end(child)
        self.assertEqual(status, 75, output)
        self.assertEqual(coordinator.count("drain"), 1)
        self.assertEqual(len(coordinator.left), 1)
        self.assertEqual(len(coordinator.released) + len(coordinator.results), TESTS)

    def test_a_large_manifest_is_uploaded_in_parts_and_again_when_parts_were_lost(self):
        coordinator = self.coordinator(shard=20000)
        coordinator.waiting = ["wait", "upload", "upload"]
        self.assert_all_once(coordinator, self.start(coordinator, tests=6000, workers=60, ms=0))
        self.assertGreaterEqual(len(coordinator.parts), 2)
        self.assertEqual(len(coordinator.ids), 6000)

    def test_identity_is_proved_by_pin_or_by_authority(self):
        coordinator = self.coordinator()
        self.assert_all_once(coordinator, self.start(coordinator, ca=coordinator.cert))
        coordinator = self.coordinator()
        wrong = "sha256//" + "A" * 43 + "="
        _, output = self.end(self.start(coordinator, ca=wrong))
        self.assertRegex(output, "failed tls: ")
        other = self.folder / "other"
        other.mkdir()
        cert, _, _ = rough_coordinator.make_certificate(other)
        _, output = self.end(self.start(coordinator, ca=cert))
        self.assertRegex(output, "failed tls: ")
        self.assertEqual(coordinator.requests, [])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
