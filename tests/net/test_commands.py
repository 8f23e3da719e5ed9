"""The commands that ask (status, verdict, report, durations, doctor) against a real coordinator, with
drive as the agent."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

BUILD = pathlib.Path(os.environ["MAKESPAN_BUILD"])
DRIVE = BUILD / "tests" / "net" / "drive"
MAKESPAN = BUILD / "agent" / "makespan"
MAKESPAND = BUILD / "coordinator" / "makespand"


class CommandTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        ready, write = os.pipe()
        with open(self.folder / "out", "w") as out:
            self.server = subprocess.Popen(
                [MAKESPAND, "--data", self.folder / "data", "--listen", "127.0.0.1:0",
                 "--ready-fd", str(write)],
                env={"PATH": os.environ["PATH"]}, pass_fds=[write], stdout=out, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.stop_server)
        os.close(write)
        with os.fdopen(ready) as lines:
            self.assertIn("listening", lines.readline())
        lines = dict(re.findall(r"export (MAKESPAN_\w+)=(\S+)", (self.folder / "out").read_text()))
        self.env = {"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(self.folder / "state"), **lines}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def stop_server(self):
        self.server.terminate()
        self.server.communicate(timeout=20)

    def ask(self, *words, **env):
        """(exit status, standard output, standard error) of makespan."""
        done = subprocess.run([MAKESPAN, *map(str, words)], env={**self.env, **env}, text=True,
                              capture_output=True, timeout=60)
        self.assertNotIn(self.env["MAKESPAN_TOKEN"], done.stdout + done.stderr)
        return done.returncode, done.stdout, done.stderr

    def drive(self, tests=20, ms=1, **env):
        child = subprocess.Popen([DRIVE, str(tests), "2", str(ms)], env={**self.env, **env}, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(lambda: (child.kill(), child.communicate()))
        return child

    def learned(self):
        """The history learns behind the verdict; what it logs till then is little."""
        self.assertTrue(any("history_folded" in line for line in self.server.stderr))

    def green_run(self, **env):
        child = self.drive(**env)
        output, _ = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 0, output)

    def test_verdict_and_status_of_a_green_run(self):
        self.green_run(MAKESPAN_RUN_KEY="k")
        status, out, err = self.ask("verdict", "--run-key", "k")
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, r"\Agreen: .*\n  20 tests: 20 passed\n")
        status, out, _ = self.ask("verdict", "--output", "json")
        self.assertEqual((status, json.loads(out)["counts"]["passed"]), (0, 20))
        status, out, _ = self.ask("status")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"\Arun \w+ of default, suite default, epoch 1: final\n")
        self.assertRegex(out, r"(?m)^ +- +left +2 +20 +0 +0$")
        status, out, _ = self.ask("status", "--output=json")
        self.assertEqual((status, json.loads(out)["state"]), (0, "final"))

    def test_report_is_written_whole(self):
        self.green_run(MAKESPAN_RUN_KEY="k")
        path = self.folder / "junit.xml"
        self.assertEqual(self.ask("report", "-o", path), (0, "", ""))
        self.assertEqual(len(list(ElementTree.parse(path).iter("testcase"))), 20)
        status, out, _ = self.ask("report", "--format", "json")
        self.assertEqual(status, 0)
        json.loads(out)
        status, _, err = self.ask("report", "-f", "yaml")
        self.assertEqual((status, err), (64, "makespan: format 'yaml' is neither junit nor json\n"))
        status, _, err = self.ask("report", "-o", "/nowhere/x.xml")
        self.assertEqual(status, 73, err)

    def test_durations_come_out_as_they_went_in(self):
        path = self.folder / "durations"
        path.write_text(json.dumps([["a.py::one", 1.5], ["a.py::two", 0.25]]))
        self.assertEqual(self.ask("durations", "import", path, "--suite", "s"), (0, "", ""))
        status, out, _ = self.ask("durations", "export", "--suite", "s")
        self.assertEqual((status, json.loads(out)), (0, {"a.py::one": 1.5, "a.py::two": 0.25}))
        for words in (["durations"], ["durations", "import"], ["durations", "mix"],
                      ["durations", "export", "a", "b"]):
            self.assertEqual(self.ask(*words)[0], 64, words)

    def test_a_forecast_takes_durations_and_start_up_from_the_coordinator(self):
        self.green_run(MAKESPAN_RUN_KEY="k", MAKESPAN_SUITE="s")
        self.learned()
        with self.subTest("its own suite"):
            status, out, err = self.ask("matrix", "--target", "10m", "--startup", "30s", "--suite", "s")
            answer = json.loads(out)
            self.assertEqual((status, err, answer["agents"]), (0, "", 1))
            self.assertGreater(answer["startup_us"], 30e6, "the collection was not measured")
            status, out, _ = self.ask("simulate", "--suite", "s")
            self.assertEqual(status, 0)
            self.assertRegex(out, r"\A20 tests, 2 workers a machine, start-up of a job 0\.\d s, "
                                  r"of which 0\.\d s measured")
        with self.subTest("one that never ran"):
            status, out, err = self.ask("matrix", "--target", "10m", "--suite", "never")
            self.assertEqual((status, out), (64, ""))
            self.assertIn("suite 'never'", err)

    def test_a_run_that_is_open_is_no_verdict_until_it_is_closed(self):
        child = self.drive(tests=50, ms=60000, MAKESPAN_RUN_KEY="k")
        for line in child.stdout:
            if line == "sealed\n":
                break
        status, _, err = self.ask("verdict", "--timeout", "0", "--run-key", "k")
        self.assertEqual(status, 69)
        self.assertIn("50 tests have no result", err)
        status, out, _ = self.ask("verdict", "--close", "--run-key", "k")
        self.assertEqual(status, 66, out)
        self.assertRegex(out, r"\Aincomplete: ")
        self.assertEqual(self.ask("verdict", "--run-key", "k")[0], 66)

    def test_a_last_job_finds_the_run_of_its_workflow_run(self):
        github = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/web", "GITHUB_RUN_ID": "1",
                  "GITHUB_JOB": "test", "GITHUB_ACTION": "__run"}
        other = {**github, "GITHUB_RUN_ID": "2"}
        last = {**github, "GITHUB_JOB": "verdict", "GITHUB_ACTION": "__run_2"}
        self.green_run(**github)
        self.green_run(**other)
        status, out, err = self.ask("status", "--output", "json", **last)
        self.assertEqual(status, 0, err)
        self.assertRegex(json.loads(out)["run_key"], r"\Agithub/1/test/__run/default/")
        self.assertEqual(self.ask("verdict", **last)[0], 0)
        self.green_run(MAKESPAN_SUITE="slow", **github)
        status, _, err = self.ask("verdict", **last)
        self.assertEqual(status, 64)
        self.assertRegex(err, r"2 runs fit; name one of them:\n  --suite '\w+' --run-key 'github/1/")
        self.assertEqual(self.ask("verdict", "--suite", "slow", **last)[0], 0)
        status, _, err = self.ask("verdict", **{**last, "GITHUB_RUN_ID": "3"})
        self.assertEqual(status, 71)
        self.assertIn("no run of project 'acme/web' in workflow run github/3/ is known", err)

    def doctor(self, *words, **env):
        """(exit status, {check: (mark, detail)})"""
        status, out, _ = self.ask("doctor", *words, **env)
        return status, {m[2]: (m[1], m[3]) for m in re.finditer(r"(?m)^(ok|FAIL|note) +(.{10}) (.*)$", out)}

    def check(self, checks, name):
        return checks[name.ljust(10)]

    def test_doctor_is_content_when_all_is_well(self):
        self.green_run(MAKESPAN_RUN_KEY="k")
        self.learned()
        status, checks = self.doctor("--index", "1", "--total", "2", "--run-key", "k")
        self.assertEqual(status, 0, checks)
        for name in ("dns", "tcp", "tls", "answer", "version", "clock", "token", "history", "ci", "slot", "run key"):
            self.assertEqual(self.check(checks, name)[0], "ok", checks)
        self.assertIn("20 tests", self.check(checks, "history")[1])
        self.assertEqual(self.check(checks, "slot")[1], "index 1 of 2")
        status, out, _ = self.ask("doctor", "--output", "json")
        self.assertEqual((status, json.loads(out)["checks"][0]["name"]), (0, "dns"))

    def test_doctor_tells_what_this_machine_is_good_for(self):
        status, out, _ = self.ask("doctor", MAKESPAN_URL="", OMP_NUM_THREADS="7")
        self.assertEqual(status, 0, out)
        self.assertRegex(out, r"(?m)^note server +none is named")
        self.assertRegex(out, r"(?m)^(ok  |note) workers +\d+ workers?: ")
        self.assertRegex(out, r"(?m)^ok   threads +OMP_NUM_THREADS=7 stands$")
        self.assertRegex(out, r"(?m)^ok   memory +\d+ of \d+ MiB free")

    def test_doctor_names_the_step_that_fails(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))  # bound and not listening: refused
            closed = f"https://127.0.0.1:{silent.getsockname()[1]}"
            cases = [
                ("dns", 69, {"MAKESPAN_URL": "https://no-such-host.invalid"}),
                ("tcp", 69, {"MAKESPAN_URL": closed}),
                ("tls", 69, {"MAKESPAN_CA": "sha256//" + "A" * 43 + "="}),
                ("token", 71, {"MAKESPAN_TOKEN": "msp_of_somebody_else"}),
            ]
            for name, expected, env in cases:
                with self.subTest(name=name):
                    status, checks = self.doctor(**env)
                    self.assertEqual(status, expected, checks)
                    self.assertEqual(self.check(checks, name)[0], "FAIL", checks)
                    for before in ("dns", "tcp", "tls", "token"):
                        if before == name:
                            break
                        self.assertEqual(self.check(checks, before)[0], "ok", checks)

    def test_doctor_shows_the_run_key_of_a_command(self):
        github = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/web", "GITHUB_RUN_ID": "1",
                  "GITHUB_JOB": "test", "GITHUB_ACTION": "__run"}
        _, checks = self.doctor("--", "pytest", "tests", **github)
        self.assertRegex(self.check(checks, "run key")[1], r"\Agithub/1/test/__run/default/[0-9a-f]{12}\Z")
        _, checks = self.doctor(**github)
        self.assertEqual(self.check(checks, "run key")[0], "note")

    def test_mistakes_are_said_in_a_sentence(self):
        cases = [
            (["verdict", "now"], {}, "'now' is one word too many; see makespan verdict --help"),
            (["status", "--prject", "x"], {}, "there is no option --prject; did you mean --project?"),
            (["status"], {"MAKESPAN_URL": ""}, "no coordinator: pass --url or set MAKESPAN_URL"),
            (["status"], {"MAKESPAN_URL": "http://x"}, "url 'http://x' does not begin with https://HOST"),
            (["durations", "mix"], {"MAKESPAN_URL": ""}, "say 'durations import FILE', 'durations export [FILE]' or "
             "'durations merge OUT FILE...'"),
            (["split", "--index", "0", "--total", "2", "--seed", "x", "--ids", "-"], {},
             "option --seed: 'x' is not a whole number from 0 to 18446744073709551615"),
            (["split", "--index", "0", "--total", "2", "--ids", "/no/such"], {},
             "open /no/such: No such file or directory"),
            (["durations", "import", "/no/such"], {}, "open /no/such: No such file or directory"),
            (["durations", "merge", "out.json", "/no/such"], {}, "open /no/such: No such file or directory"),
            (["status", "--token-file", "/etc"], {}, "read /etc: Is a directory"),
            (["status", "--output", "xml"], {}, "output 'xml' is neither text nor json"),
        ]
        for words, env, text in cases:
            self.assertEqual(self.ask(*words, **env), (64, "", f"makespan: {text}\n"))

    def test_help_is_there_however_it_is_asked_for(self):
        code, text, errors = self.ask("--help")
        self.assertEqual((code, errors), (0, ""))
        for words in (["help"], ["help", "--help"], ["-h"]):
            self.assertEqual(self.ask(*words), (0, text, ""))
        self.assertEqual(self.ask("help", "run"), self.ask("run", "--help"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
