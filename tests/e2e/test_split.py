"""A matrix without a coordinator: a static split by file of durations, printed and run."""

import json
import subprocess
import unittest

import harness

SUITE = {f"test_{name}.py": "".join(f"def test_{name}{i}(): pass\n" for i in range(6)) for name in "abc"}


class SplitTest(harness.TestCase):
    def makespan(self, *words, cwd, text=None):
        return subprocess.run([harness.MAKESPAN, *words], cwd=cwd, input=text, capture_output=True, text=True,
                              env=harness.clean_environ(XDG_CACHE_HOME=cwd / "cache"), timeout=harness.PATIENCE_S)

    def test_every_test_is_in_one_part_and_run_runs_what_split_prints(self):
        suite = self.suite(SUITE)
        command = self.pytest("-v", "-p", "no:cacheprovider")
        printed, ran = [], []
        for index in range(3):
            part = ["--index", str(index), "--total", "3"]
            split = self.makespan("split", *part, "--", *command, cwd=suite)
            self.assertEqual(split.returncode, 0, split.stderr)
            self.assertIn("no test has a recorded duration", split.stderr)
            printed.append(split.stdout.splitlines())
            run = self.makespan("run", "-n", "2", *part, "--store-durations", f"part{index}.json", "--", *command,
                                cwd=suite)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn("no coordinator: a static split", run.stderr)
            self.assertRegex(run.stdout, r"PASSED +\[100%\]")  # of what is to run here
            if index == 0:  # the history learns of each part as it runs
                self.assertRegex(run.stderr, r" (\d) of \1 tests ran here .*; \1 of them without recorded durations")
            ran.append(sorted(line.split()[0] for line in run.stdout.splitlines() if "PASSED" in line))
        self.assertEqual([sorted(part) for part in printed], ran)
        self.assertEqual(len({name for part in printed for name in part}), 18)
        self.assertEqual(sum(map(len, printed)), 18)

        merged = self.makespan("durations", "merge", ".test_durations", *(f"part{i}.json" for i in range(3)), cwd=suite)
        self.assertEqual(merged.returncode, 0, merged.stderr)
        self.assertEqual(len(json.loads((suite / ".test_durations").read_text())), 18)
        split = self.makespan("split", "--index", "0", "--total", "3", "--", *command, cwd=suite)
        self.assertNotIn("recorded duration", split.stderr)

    def test_an_empty_part_is_green(self):
        suite = self.suite({"test_one.py": "def test_one(): pass\n"})
        statuses = [self.makespan("run", "--index", str(index), "--total", "3", "--", *self.pytest(), cwd=suite).returncode
                    for index in range(3)]
        self.assertEqual(statuses, [0, 0, 0])

    def test_what_failed_on_one_machine_is_no_share(self):
        """Each would split what it remembers, and what it does not remember nobody would run."""
        suite = self.suite({"test_one.py": "def test_one(): pass\n"})
        run = self.makespan("run", "--index", "0", "--total", "2", "--last-failed", "--", *self.pytest(), cwd=suite)
        self.assertEqual(run.returncode, harness.USAGE, run.stderr)
        self.assertIn("--last-failed is of this machine", run.stderr)

    def test_what_pytest_recalls_is_no_share(self):
        """The same with its own options, wherever they stand; an order alone does not change the default plan."""
        suite = self.suite({"test_one.py": "def test_one(): pass\n"})
        pytest = [harness.PYTHON, "-m", "pytest"]
        part = ["--index", "0", "--total", "2"]
        for option in ("--lf", "--sw", "--sw-skip"):
            for command in ("run", "split"):
                run = self.makespan(command, *part, "--", *pytest, option, cwd=suite)
                self.assertEqual(run.returncode, harness.USAGE, run.stderr)
                self.assertIn(f"pytest's {option} goes by this machine's cache", run.stderr)
                self.assertNotIn("passed", run.stdout)
        (suite / "pytest.ini").write_text("[pytest]\naddopts = --ff\n")
        run = self.makespan("run", *part, "--", *pytest, cwd=suite)
        self.assertEqual(run.returncode, 0, run.stderr)
        chunks = self.makespan("run", *part, "--algorithm", "duration_based_chunks", "--", *pytest, cwd=suite)
        self.assertEqual(chunks.returncode, harness.USAGE, chunks.stderr)
        dealt = self.makespan("run", *part, "--sharded-collection", "--", *pytest, "--lf", cwd=suite)
        self.assertEqual(dealt.returncode, harness.USAGE, dealt.stderr)
        alone = self.makespan("run", "--", *pytest, "--lf", cwd=suite)
        self.assertEqual(alone.returncode, 0, alone.stderr)

    def test_nothing_collected_is_said(self):
        suite = self.suite({"test_one.py": "def test_one(): pass\n"})
        run = self.makespan("run", "--", *self.pytest("-k", "none"), cwd=suite)
        self.assertEqual((run.returncode, run.stderr), (5, "makespan: no tests were collected\n"))

    def test_a_failing_test_is_red_in_its_part_only(self):
        suite = self.suite({"test_two.py": "def test_good(): pass\n\ndef test_bad(): assert False\n"})
        statuses = [self.makespan("run", "--index", str(index), "--total", "2", "--", *self.pytest(), cwd=suite).returncode
                    for index in range(2)]
        self.assertEqual(sorted(statuses), [0, 1])

    def test_ids_come_from_a_file_and_mistakes_get_a_sentence(self):
        folder = self.suite({"ids.txt": ""})
        ids = "".join(f"t.py::test[{i} x]\n" for i in range(10))
        parts = [self.makespan("split", "--index", str(i), "--total", "2", "--algorithm", "stride", "--ids", "-",
                               cwd=folder, text=ids).stdout.splitlines() for i in range(2)]
        self.assertEqual(parts, [ids.splitlines()[0::2], ids.splitlines()[1::2]])
        for words, said in ((["--index", "2", "--total", "2", "--ids", "-"], "index 2 of 2"),
                            (["--index", "0", "--total", "2"], "either --ids"),
                            (["--total", "2", "--ids", "-"], "--index"),
                            (["--index", "0", "--total", "2", "--algorithm", "best", "--ids", "-"], "'best'")):
            wrong = self.makespan("split", *words, cwd=folder, text=ids)
            self.assertEqual((wrong.returncode, wrong.stdout), (harness.USAGE, ""), words)
            self.assertIn(said, wrong.stderr)

    def test_no_id_is_lost_behind_an_odd_byte(self):
        folder = self.suite({"ids.txt": ""})
        def split(ids, index=0):
            return self.makespan("split", "--index", str(index), "--total", "2", "--ids", "-", cwd=folder, text=ids)
        zero = split("a.py::one\n\0\nb.py::two\n")
        self.assertEqual((zero.returncode, zero.stdout), (harness.USAGE, ""))
        self.assertIn("a zero byte", zero.stderr)
        parts = sorted(split("\ufeffa.py::one\nb.py::two\n", index).stdout for index in range(2))
        self.assertEqual(parts, ["a.py::one\n", "b.py::two\n"])
        self.assertIn("no id is printed", split("").stderr)

    def test_simulate_and_matrix_tell_how_many_machines(self):
        folder = self.suite({"durations.json": json.dumps({f"t.py::test_{i}": 0.5 + i / 100 for i in range(200)})})
        given = ["--durations", "durations.json", "--startup", "10s"]
        table = self.makespan("simulate", *given, cwd=folder)
        self.assertEqual(table.returncode, 0, table.stderr)
        self.assertIn("<- knee", table.stdout)
        self.assertIn("t.py::test_199", table.stdout)
        again = self.makespan("simulate", *given, cwd=folder)
        self.assertEqual(table.stdout, again.stdout, "the same seed, another forecast")
        rows = json.loads(self.makespan("simulate", *given, "--agents", "1,4,16", "--output", "json",
                                        cwd=folder).stdout)["forecast"]
        self.assertTrue(rows[0]["time_us"] > rows[1]["time_us"] > rows[2]["time_us"] > 10e6, rows)
        answer = json.loads(self.makespan("matrix", *given, "--target", "40s", cwd=folder).stdout)
        self.assertLessEqual(answer["predicted_us"], 40e6)
        self.assertEqual(answer["github"], {"index": list(range(answer["agents"])), "total": [answer["agents"]]})
        parallel = self.makespan("matrix", "--agents", "7", "--format", "gitlab", cwd=folder)
        self.assertEqual(parallel.stdout, "7\n")
        never = self.makespan("matrix", *given, "--target", "11s", cwd=folder)
        self.assertEqual(never.returncode, harness.USAGE)
        self.assertIn("t.py::test_199", never.stderr)
        (folder / "many.json").write_text(json.dumps({f"t.py::test_{i}": 5 for i in range(20000)}))
        many = self.makespan("matrix", "--durations", "many.json", "--target", "1m", cwd=folder)
        self.assertEqual(many.returncode, harness.USAGE)
        self.assertIn("not even 256 machines", many.stderr)
        (folder / "none.json").write_text('{"t.py::test_none": 0}')
        none = self.makespan("simulate", "--durations", "none.json", "--jitter", "0s", "--agents", "1", cwd=folder)
        self.assertNotIn("inf", none.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
