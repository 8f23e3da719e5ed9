"""--sharded-collection: a machine imports only the files whose tests it runs, and no test is lost."""

import collections
import re
import shutil
import unittest

import harness

TESTS = '''
import os, pytest
with open(os.environ["NOTES"], "a") as notes:
    notes.write("import %s %s\\n" % (__name__, os.environ.get("MACHINE")))
import helper

@pytest.fixture(scope="module")
def wide():
    with open(os.environ["NOTES"], "a") as notes:
        notes.write("up %s %s\\n" % (__name__, os.getpid()))
    yield
    with open(os.environ["NOTES"], "a") as notes:
        notes.write("down %s %s\\n" % (__name__, os.getpid()))

@pytest.mark.parametrize("value", helper.VALUES.get(__name__, [1, 2]))
def test_value(value, wide):
    pass

class TestC:
    def test_in_class(self, wide):
        pass
'''


class ShardedTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.root = self.suite({"helper.py": "VALUES = {}\n", "conftest.py": "",
                                **{f"test_{c}.py": TESTS for c in "abcdefgh"}})
        (self.root / "pkg").mkdir()
        (self.root / "pkg" / "__init__.py").touch()
        (self.root / "pkg" / "test_in.py").write_text("def test_in(): pass\n")
        self.tests = 8 * 3 + 1
        self.notes_path = self.folder / "notes"

    def notes(self):
        lines = self.notes_path.read_text().splitlines() if self.notes_path.exists() else []
        self.notes_path.unlink(missing_ok=True)
        return [line.split() for line in lines]

    def machine(self, index, total, coordinator=None, *words, workers=1, key="run-1", options=(), **env):
        return self.agent(self.pytest("-v", *words), coordinator, index=index, total=total, workers=workers, key=key,
                          options=["--sharded-collection", *options], cwd=self.root, NOTES=self.notes_path, MACHINE=index,
                          XDG_CACHE_HOME=self.folder / f"cache-{index}", **env)

    def ran(self, *machines):
        return collections.Counter(
            found for machine in machines
            for found in re.findall(r"^(\S+::\S+) (?:PASSED|FAILED)", machine.output, re.M))

    def test_files_are_dealt_out_without_a_coordinator(self):
        machines = [self.machine(index, 3) for index in range(3)]
        self.assertEqual([machine.wait() for machine in machines], [0, 0, 0])
        self.assertEqual(len({re.search(r"deal (\w{16})", machine.output).group(1) for machine in machines}), 1)
        ran = self.ran(*machines)
        self.assertEqual((len(ran), set(ran.values())), (self.tests, {1}))
        imported = collections.Counter(words[1] for words in self.notes() if words[0] == "import")
        self.assertEqual(imported, {f"test_{c}": 1 for c in "abcdefgh"})

    def test_more_machines_than_files(self):
        for path in self.root.glob("test_[b-h].py"):
            path.unlink()
        machines = [self.machine(index, 4) for index in range(4)]
        self.assertEqual([machine.wait() for machine in machines], [0, 0, 0, 0])
        self.assertEqual(sum(self.ran(*machines).values()), 4)

    def test_a_selection_cannot_be_dealt_out(self):
        machine = self.machine(0, 2, None, "-k", "value")
        self.assertEqual(machine.wait(), 4)
        self.assertIn("cannot go with -k", machine.output)

    def shared(self, key, *words, wanted=0):
        """Two machines share a run; returns their outputs and the verdict."""
        if not hasattr(self, "served"):
            self.served = self.coordinator()
        machines = [self.machine(index, 2, self.served, *words, key=key) for index in range(2)]
        statuses = [machine.wait() for machine in machines]
        status, verdict = self.verdict(self.served, key=key)
        self.assertEqual(status, wanted, verdict)
        self.assertIn(wanted, statuses)
        return machines, verdict

    def recorded(self, *words):
        """Both machines know what there is, and have not run together yet."""
        self.served = self.coordinator()
        machine = self.machine(0, 1, self.served, *words, key="first")
        self.assertEqual(machine.wait(), 0, machine.output)
        shutil.copytree(self.folder / "cache-0", self.folder / "cache-1")

    def test_known_files_are_imported_where_they_run(self):
        self.shared("first", "--dist=loadfile")
        everywhere = [words for words in self.notes() if words[0] == "import"]
        self.assertEqual(len(everywhere), 16)
        machines, verdict = self.shared("second", "--dist=loadfile")
        self.assertEqual((verdict["total"], verdict["unrun"]), (self.tests, 0))
        self.assertEqual(sum(self.ran(*machines).values()), self.tests)
        notes = self.notes()
        # Each machine imports one known file in any case, and the others where a test of it runs.
        imported = collections.Counter(words[1] for words in notes if words[0] == "import")
        self.assertEqual(len(imported), 8)
        self.assertLess(sum(imported.values()), 13)
        merged = self.merged(self.served, key="second")
        serial = self.folder / "serial.xml"
        self.assertEqual(self.serial("-q", f"--junit-xml={serial}", cwd=self.root, env={"NOTES": self.notes_path})[0], 0)
        self.assert_same_junit(serial, merged)

    def test_fixtures_of_a_file_that_came_late(self):
        """They are set up once, as if it had been there from the start."""
        self.shared("first", "--dist=loadfile")
        self.notes()
        machine = self.machine(0, 1, self.served, "--dist=loadfile", key="second")
        self.assertEqual(machine.wait(), 0, machine.output)
        notes = self.notes()
        life = {f"test_{c}": [words[0] for words in notes if words[0] != "import" and words[1] == f"test_{c}"]
                for c in "abcdefgh"}
        self.assertEqual(life, dict.fromkeys(life, ["up", "down"]))
        self.assertEqual(len([words for words in notes if words[0] == "import"]), 8)

    def test_a_file_that_comes_late_is_collected_as_always(self):
        """Its asserts are explained, its warnings told, what it prints is not."""
        (self.root / "test_h.py").write_text(
            "import warnings\nwarnings.warn('of the import')\nprint('printed by the import')\n"
            "def test_one():\n    assert [1] == [2]\n")
        self.shared("first", wanted=1)
        machine = self.machine(0, 1, self.served, key="second")
        self.assertEqual(machine.wait(), 1)
        self.assertIn("makespan: 8 of 9 files are known", machine.output)
        self.assertIn("At index 0 diff: 1 != 2", machine.output)
        self.assertIn("1 failed, 22 passed, 1 warning", machine.output)
        self.assertIn("UserWarning: of the import", machine.output)
        self.assertNotIn("printed by the import", machine.output)

    def test_a_changed_file_and_a_new_one_are_imported(self):
        self.shared("first")
        (self.root / "test_a.py").write_text("def test_other(): pass\n")
        (self.root / "test_new.py").write_text("def test_new(): pass\n")
        machines, verdict = self.shared("second")
        self.assertEqual(verdict["total"], self.tests - 3 + 1 + 1)
        self.assertIn("makespan: 7 of 10 files are known", machines[0].output)

    def all_ran_once(self, machines, verdict, total):
        ran = self.ran(*machines)
        self.assertEqual(set(ran.values()), {1}, ran)
        self.assertEqual((len(ran), verdict["total"], verdict["unrun"], verdict["counts"]["passed"]),
                         (total, total, 0, total), verdict)

    def test_what_nobody_knew_of_runs_once(self):
        """The files are the same, but the code that they take their parameters from has changed."""
        self.recorded()
        (self.root / "helper.py").write_text(
            "VALUES = {f'test_{c}': [1, 2, 3, 4] for c in 'abcdefgh'}\n")
        machines, verdict = self.shared("second")
        self.all_ran_once(machines, verdict, self.tests + 7 * 2 + 2)
        self.assertEqual(verdict["found"], 7 * 2)  # of one file each machine has imported all
        self.assertIn("were found that were not collected", "".join(machine.output for machine in machines))
        self.retried(self.tests + 16)

    def test_alone_a_machine_runs_what_it_finds(self):
        self.recorded()
        (self.root / "helper.py").write_text("VALUES = {'test_h': [1, 2, 3]}\n")
        for start in "fork", "early", "spawn":
            shutil.copytree(self.folder / "cache-1", self.folder / "cache-0", dirs_exist_ok=True)
            machine = self.machine(0, 1, self.served, key=start, workers=2, options=["--start", start])
            self.assertEqual(machine.wait(), 0, machine.output)
            self.all_ran_once([machine], self.verdict(self.served, key=start)[1], self.tests + 1)

    def test_a_worker_that_has_collected_when_something_was_found(self):
        """It knows no more than the record; what was found meanwhile makes it no stranger."""
        gate = self.gate()
        (self.root / "gate.py").write_text(gate.module)
        (self.root / "conftest.py").write_text(
            "import gate, os\ndef pytest_collection_finish():\n"
            "    if os.environ.get('PYTEST_XDIST_WORKER') == 'gw1' and 'WAIT' in os.environ:\n        gate.wait('late')\n")
        (self.root / "test_h.py").write_text(TESTS.replace(
            "    pass\n", "    if value == 1 and 'WAIT' in os.environ:\n        import gate\n        gate.wait('inside')\n", 1))
        self.recorded()
        (self.root / "helper.py").write_text("VALUES = {'test_h': [1, 2, 3]}\n")
        machine = self.machine(0, 1, self.served, key="second", workers=2, options=["--start", "spawn"], WAIT=1)
        gate.reached("inside")
        gate.open("late")
        machine.wait_for_line("pkg/test_in.py::test_in PASSED")  # by the other worker
        gate.open("inside")
        self.assertEqual(machine.wait(), 0, machine.output)
        self.all_ran_once([machine], self.verdict(self.served, key="second")[1], self.tests + 1)

    def test_a_worker_that_comes_after_the_record_is_gone(self):
        """It collects everything, and so finds what nobody else has found yet."""
        (self.root / "test_b.py").write_text(TESTS + "\ndef test_die():\n    if 'DIE' in os.environ:\n        os._exit(1)\n")
        self.recorded()
        (self.root / "helper.py").write_text("VALUES = {'test_b': [1, 2, 3], 'test_h': [1, 2, 3]}\n")
        machine = self.machine(0, 1, self.served, key="second", options=["--start", "early"], DIE=1)
        self.assertEqual(machine.wait(), 1, machine.output)
        _status, verdict = self.verdict(self.served, key="second")
        self.assertEqual((verdict["counts"]["crashed"], verdict["unrun"], verdict.get("errors", [])), (1, 0, []), verdict)
        self.assertEqual(verdict["total"], self.tests + 2 + 1)

    def one_file(self, body, **env):
        """One more file, known with seven tests; machines then find another one in it."""
        values = "VALUES = {'test_z': range(%d)}\n"
        (self.root / "helper.py").write_text(values % 6)
        (self.root / "test_z.py").write_text(TESTS.replace("    pass\n", body, 1))
        self.recorded("--dist=worksteal")
        (self.root / "helper.py").write_text(values % 7)
        return [self.machine(index, 2, self.served, "--dist=worksteal", key="second", **env) for index in range(2)]

    def test_two_machines_meet_the_same_file(self):
        """Each imports it for a test of its own; what both find runs on one of them."""
        gate = self.gate()
        (self.root / "gate.py").write_text(gate.module)
        machines = self.one_file("    import gate, time\n    if 'SECOND' in os.environ:\n        gate.wait('go')\n"
                                 "    else:\n        time.sleep(0.2)\n", SECOND=1)
        inside = gate.reached("go", 2)
        gate.open("go")
        self.assertEqual([machine.wait() for machine in machines], [0, 0], machines[0].output + machines[1].output)
        self.assertEqual(len(set(inside[:2])), 2)
        imported = [words[2] for words in self.notes() if words[:2] == ["import", "test_z"]]
        self.assertEqual(sorted(imported[-2:]), ["0", "1"])
        self.all_ran_once(machines, self.verdict(self.served, key="second")[1], self.tests + 8)

    def test_who_finds_it_dies(self):
        """What it had found is the run's: another machine imports the file and runs it."""
        gate = self.gate()
        (self.root / "gate.py").write_text(gate.module)
        machines = self.one_file(
            "    import gate\n    if value == 6:\n        gate.mark('at-%s' % os.environ['MACHINE'])\n"
            "        gate.wait('go')\n")
        gate.reached("go")
        finder = [word for word, _pid in gate.marks if word.startswith("at-")][0]
        machines[int(finder[3:])].kill9()
        gate.reached("go", 2)
        gate.open("go")
        other = machines[1 - int(finder[3:])]
        self.assertEqual(other.wait(), 0, other.output)
        verdict = self.verdict(self.served, key="second")[1]
        self.assertEqual((verdict["total"], verdict["counts"]["passed"]), (self.tests + 8,) * 2, verdict)

    def test_a_test_that_only_one_machine_has(self):
        """It runs there, and its file on the others is right without it."""
        for path in self.root.glob("test_[b-h].py"):
            path.write_text(TESTS.replace("    pass\n", "    import time; time.sleep(0.1)\n", 1))
        self.recorded("--dist=loadfile")
        (self.root / "helper.py").write_text(
            "import os\nVALUES = {'test_' + c: [1, 2] + [3] * (os.environ['MACHINE'] == '1') for c in 'bcdefgh'}\n")
        machines, verdict = self.shared("second", "--dist=loadfile")
        self.assertGreater(verdict["found"], 0)
        self.assertEqual(verdict["counts"]["passed"], verdict["total"], verdict)
        self.assertEqual(verdict["total"], self.tests + verdict["found"])
        self.assertNotIn("test_value[3]", machines[0].output)

    def test_what_is_gone_is_red_and_named(self):
        self.shared("first")
        (self.root / "helper.py").write_text("VALUES = {'test_h': [1]}\n")
        machines, verdict = self.shared("second", wanted=1)
        told = "\n".join(machine.output for machine in machines)
        self.assertIn("FAILED test_h.py::test_value[2]", told)
        self.assertIn("does not hold it here", told)
        self.retried(self.tests - 1)

    def test_a_file_that_cannot_be_imported_any_more(self):
        self.shared("first")
        (self.root / "helper.py").write_text(
            "class Values:\n    def get(self, name, default):\n"
            "        if name == 'test_h': raise ImportError('broken helper')\n"
            "        return default\nVALUES = Values()\n")
        machines, verdict = self.shared("second", wanted=1)
        self.assertEqual(verdict["counts"].get("failed"), 3, verdict)
        self.assertIn("broken helper", machines[0].output + machines[1].output)

    def retried(self, total):
        """Whatever a machine still believes, runs become right, and soon."""
        for attempt in range(3):
            coordinator = self.served
            machines = [self.machine(index, 2, coordinator, key=f"again-{attempt}") for index in range(2)]
            for machine in machines:
                machine.wait()
            status, verdict = self.verdict(coordinator, key=f"again-{attempt}")
            if status == 0:
                self.assertEqual((verdict["total"], verdict["unrun"]), (total, 0))
                return
        self.fail(f"still {verdict}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
