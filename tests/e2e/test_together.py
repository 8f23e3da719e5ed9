"""What --dist keeps together stays on one machine, and there in one worker, in the order of collection."""

import collections
import re
import unittest

import harness

# Each test notes where it runs. The tests are long enough for several to be worth sharing.
SUITE = '''
import os, time, pytest

def note(request):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write("%s %s %s\\n" % (request.node.nodeid, os.environ["MACHINE"], os.getpid()))
    time.sleep(0.02)

@pytest.mark.parametrize("number", range(6))
def test_alone(number, request):
    note(request)

class TestC:
    @pytest.mark.parametrize("number", range(6))
    def test_in_class(self, number, request):
        note(request)
'''


class TogetherTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.root = self.suite({f"test_{c}.py": SUITE for c in "abcde"})
        self.notes_path = self.folder / "notes"

    def machines(self, coordinator, *words, key="run-1", total=2):
        machines = [self.agent(self.pytest("-q", *words), coordinator, index=index, total=total, workers=2, key=key,
                               cwd=self.root, MACHINE=index, NOTES=self.notes_path) for index in range(total)]
        self.assertEqual([machine.wait() for machine in machines], [0] * total, [machine.output for machine in machines])
        notes = [line.split() for line in self.notes_path.read_text().splitlines()]
        self.notes_path.unlink()
        self.assertEqual(len(notes), 60)
        return notes

    def assert_together(self, notes, part_of):
        """The tests of each part ran in one process, one behind the other, as collected."""
        where, ran, last = collections.defaultdict(set), collections.defaultdict(list), {}
        for nodeid, machine, process in notes:
            part = part_of(nodeid)
            if part in ran and last[process] != part:
                self.fail(f"{nodeid}: its worker left {part} for {last[process]}")
            last[process] = part
            where[part].add((machine, process))
            ran[part].append(nodeid)
        self.assertEqual({part: len(places) for part, places in where.items()}, dict.fromkeys(where, 1))
        for part, nodeids in ran.items():
            self.assertEqual(nodeids, sorted(nodeids, key=lambda nodeid: ("TestC" in nodeid, nodeid)), part)
        return len({machine for places in where.values() for machine, _process in places})

    def test_a_file(self):
        """The first run knows no durations, the second one does."""
        coordinator = self.coordinator()
        for key in ("first", "second"):
            notes = self.machines(coordinator, "--dist=loadfile", key=key)
            self.assertEqual(self.assert_together(notes, lambda nodeid: nodeid.split("::")[0]), 2)

    def test_a_class_or_what_is_in_none(self):
        coordinator = self.coordinator()
        for key in ("first", "second"):
            notes = self.machines(coordinator, "--dist=loadscope", key=key)
            self.assertEqual(self.assert_together(notes, lambda nodeid: nodeid.rpartition("::")[0]), 2)

    def test_without_a_coordinator(self):
        for total in (2, 3):
            notes = self.machines(None, "--dist=loadfile", total=total)
            self.assertEqual(self.assert_together(notes, lambda nodeid: nodeid.split("::")[0]), total)

    def test_the_split_command_says_the_same(self):
        groups = []
        for index in range(2):
            split = self.makespan(["split", "--index", str(index), "--total", "2", "--",
                                   *self.pytest("-q", "--dist=loadfile")], cwd=self.root)
            self.assertEqual(split.wait(), 0, split.output)
            groups.append(set(re.findall(r"^(test_\w\.py)::", split.output, re.M)))
        self.assertEqual((len(groups[0] | groups[1]), groups[0] & groups[1]), (5, set()))


if __name__ == "__main__":
    unittest.main()
