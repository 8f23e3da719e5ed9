"""The deal of files and the record of ids: pure parts of sharded collection."""

import json
import os
import random
import shutil
import sys
import tempfile
import types
import unittest

import harness

sys.path.insert(0, os.path.join(harness.HERE, "..", "..", "agent", "runner", "pytest"))

from _makespan_runner import deal, known  # noqa: E402


class Deal(unittest.TestCase):
    def test_every_file_falls_to_one_machine(self):
        chance = random.Random(3)
        for _ in range(200):
            costs = {"t%d.py" % number: chance.randint(0, 1000) for number in range(chance.randint(0, 40))}
            total = chance.randint(1, 12)
            shares = [deal.share(costs, index, total) for index in range(total)]
            self.assertEqual(sorted(name for share in shares for name in share), sorted(costs))
            loads = [sum(costs[name] for name in share) for share in shares]
            # Nobody's last file was given to him while another had less.
            self.assertLessEqual(max(loads) - min(loads), max(costs.values(), default=0))

    def test_order_of_the_files_does_not_matter(self):
        costs = {"t%d.py" % number: number % 3 for number in range(20)}
        turned = dict(reversed(list(costs.items())))
        self.assertEqual(deal.share(costs, 1, 3), deal.share(turned, 1, 3))
        self.assertEqual(deal.digest(costs), deal.digest(turned))

    def test_costs_are_recorded_seconds_or_sizes(self):
        folder = tempfile.mkdtemp(prefix="deal-")
        self.addCleanup(shutil.rmtree, folder)
        for name, size in (("a.py", 99), ("b.py", 199), ("c.py", 9)):
            with open(os.path.join(folder, name), "w") as stream:
                stream.write("#" * size)
        names = ["a.py", "b.py", "c.py"]
        self.assertEqual(deal.costs_us(names, folder, None), {"a.py": 100, "b.py": 200, "c.py": 10})
        for told in ({"a.py::t": 1.0, "a.py::u[::]": 1.0, "gone.py::t": 9}, [["a.py::t", 2.0]]):
            path = os.path.join(folder, "durations.json")
            with open(path, "w") as stream:
                json.dump(told, stream)
            self.assertEqual(deal.costs_us(names, folder, path),
                             {"a.py": 2000001, "b.py": 4000003, "c.py": 200001})


class Record(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="known-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "cache", "ids.json")
        os.mkdir(os.path.join(self.folder, "sub"))
        self.test = self.write("sub/test_a.py", "def test_a(): pass\n")
        self.rows = [["sub/test_a.py::test_a", "", "serial"], ["sub/test_a.py::test_\udcff", "g", ""]]

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as stream:
            stream.write(text)
        return path

    def open(self, *args, distributions="d"):
        config = types.SimpleNamespace(
            rootpath=self.folder, inipath=None,
            invocation_params=types.SimpleNamespace(args=args, dir=self.folder))
        return known.Known(config, self.path, distributions)

    def keep(self):
        record = self.open("-q")
        self.assertIsNone(record.tests_of(self.test))
        record.learn(self.test, self.rows)
        record.save()

    def test_comes_back(self):
        self.keep()
        again = self.open("-q")
        self.assertEqual(again.tests_of(self.test), self.rows)
        again.save()  # what was only known stays known
        self.assertEqual(self.open("-q").tests_of(self.test), self.rows)

    def test_holds_only_while_all_is_as_it_was(self):
        self.keep()
        self.assertIsNone(self.open("-q", "-k", "x").tests_of(self.test))
        self.assertIsNone(self.open("-q", distributions="e").tests_of(self.test))
        for name, text in (("sub/conftest.py", ""), ("conftest.py", "x = 1\n"), ("sub/__init__.py", ""),
                           ("sub/test_a.py", "def test_a(): assert 1\n")):
            self.keep_again()
            self.write(name, text)
            self.assertIsNone(self.open("-q").tests_of(self.test), name)

    def keep_again(self):
        record = self.open("-q")
        record.learn(self.test, self.rows)
        record.save()
        self.assertIsNotNone(self.open("-q").tests_of(self.test))

    def test_how_a_run_is_shown_does_not_matter(self):
        self.keep()
        for args in (["-v"], [], ["--junitxml=a.xml", "-q"], ["--junit-xml", "b.xml"], ["-rA", "-n", "4"], ["-n4"]):
            self.assertEqual(self.open(*args).tests_of(self.test), self.rows, args)
        for args in (["tests"], ["-k", "-v"], ["--runslow"], ["--junitxml", "x", "tests"]):
            self.assertIsNone(self.open(*args).tests_of(self.test), args)

    def test_a_file_without_tests_is_never_known(self):
        record = self.open("-q")
        record.learn(self.test, [])
        record.save()
        self.assertIsNone(self.open("-q").tests_of(self.test))

    def test_nonsense_is_an_empty_record(self):
        for text in ("", "{", "[]", '{"key": 1}', '{"key": "x", "files": 3}', "\0" * 100):
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            self.write("cache/ids.json", text)
            self.assertIsNone(self.open("-q").tests_of(self.test))
        self.keep()
        with open(self.path) as stream:
            told = json.load(stream)
        for files in ([], {"sub/test_a.py": 1}, {"sub/test_a.py": [1]}, {"sub/test_a.py": ["x", [1, 2]]}):
            self.write("cache/ids.json", json.dumps({"key": told["key"], "files": files}))
            self.assertIsNone(self.open("-q").tests_of(self.test), files)


if __name__ == "__main__":
    unittest.main()
