"""Memory: pages without holes before the fork, nothing kept after, and what is shared taken back at the end."""

import ctypes
import functools
import gc
import os
import subprocess
import sys
import types
import unittest
import unittest.mock

import harness

PYTEST_SIDE = os.path.join(harness.HERE, "..", "..", "agent", "runner", "pytest")
sys.path.insert(0, PYTEST_SIDE)

from _makespan_runner import atfork, holes, lookers, memory, pages, unread  # noqa: E402

_PAGE_BYTES = 4096
_MIB_KIB = 1024


def pages_of(objects):
    return {id(made) // _PAGE_BYTES for made in objects}


def resident_kib():
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * _PAGE_BYTES // 1024


def riddled_heap():
    """Objects of every size with as many holes between them."""
    made = [bytes(length) for length in range(0, 470, 8) for _ in range(400)]
    made += [object() for _ in range(2000)] + [float(number) for number in range(2000)]
    return made[::2]


@unittest.skipUnless(sys.implementation.name == "cpython", "another heap")
class Holes(unittest.TestCase):
    def test_what_is_made_after_the_fill_lies_on_pages_of_its_own(self):
        kept = riddled_heap()
        before = pages_of(kept)
        gc.disable()
        self.addCleanup(gc.enable)
        holes.fill()
        self.assertTrue(all(holes._kept), "a size was not filled")
        made = [bytes(length) for length in range(0, 470, 8) for _ in range(100)]
        made += [object() for _ in range(100)] + [float(number) for number in range(100)]
        shared = pages_of(made) & before
        # A fill is Python, too: it makes and frees a few objects of its own.
        self.assertLess(len(shared), 20, "of %d pages" % len(before))


@unittest.skipUnless((3, 10) <= sys.version_info < (3, 12), "names are not counted, or types forgotten")
class Lookups(unittest.TestCase):
    def test_no_name_is_held_by_the_memory_of_look_ups_after_it_is_told_to_forget(self):
        name = sys.intern("a_name_that_nobody_else_looks_for")
        counted = sys.getrefcount(name)
        self.assertFalse(hasattr(int, name))
        self.assertGreater(sys.getrefcount(name), counted)
        atfork.forget_lookups()
        self.assertEqual(sys.getrefcount(name), counted)


@unittest.skipIf(memory._malloc_trim() is None, "another C library")
class HighWater(unittest.TestCase):
    def test_what_a_test_has_freed_is_given_back(self):
        pin = None
        water = memory.HighWater()
        water.reset()
        begin = resident_kib()
        blocks = [bytes(2000) for _ in range(32 * 512)]
        pin = bytes(2000)  # above them all: the heap cannot just end earlier
        del blocks
        self.assertGreater(resident_kib() - begin, 16 * _MIB_KIB)
        self.assertGreater(water.of_test(0.1), 16 * _MIB_KIB)
        self.assertLess(resident_kib() - begin, 8 * _MIB_KIB)
        self.assertEqual(len(pin), 2000)

    def test_a_small_test_costs_no_walk_through_the_heap(self):
        water = memory.HighWater()
        water.reset()
        asked = []
        given_back, memory.give_back = memory.give_back, lambda: asked.append(True)
        try:
            water.of_test(0.1)
        finally:
            memory.give_back = given_back
        self.assertEqual(asked, [])


class WithoutCtypes(unittest.TestCase):
    """A Python may be built without it."""

    def test_nothing_is_given_back(self):
        done = subprocess.run(
            [sys.executable, "-c", "import sys; sys.modules['ctypes'] = None\n"
             "from _makespan_runner import memory; memory.give_back(); print('fine')"],
            cwd=PYTEST_SIDE, stdout=subprocess.PIPE, encoding="utf-8", check=True)
        self.assertEqual(done.stdout, "fine\n")


class Shelf(unittest.TestCase):
    """In place of the lists that pytest's terminal keeps its reports in."""

    def setUp(self):
        self.stats = {}
        self.shelf = unread.shelf_of(types.SimpleNamespace(stats=self.stats))

    def calls_of(self, *numbers):
        """As the reporter does it: the terminal puts the whole report into its list."""
        for number in numbers:
            passed = unread.phases_of("test_a.py::test_%d" % number, ("test_a.py", number, "test_%d" % number),
                                      ("test_%d" % number, "slow"), [("call", 0.5 * number, None, None)])[0]
            report = passed.report()
            self.stats.setdefault("passed", []).append(report)
            self.shelf.shorten(report, passed)
        return self.stats["passed"]

    def test_what_it_holds_reads_as_what_was_put_there(self):
        kept = self.calls_of(3, 1, 2)
        self.assertEqual({type(one) for one in list.__reversed__(kept)}, {unread.Passed})
        report = kept[0]
        self.assertEqual((report.nodeid, report.location, report.keywords, report.when, report.outcome, report.duration),
                         ("test_a.py::test_3", ("test_a.py", 3, "test_3"), {"test_3": 1, "slow": 1}, "call", "passed", 1.5))
        self.assertIs(kept[0], report)  # who sets an attribute finds it again

    def test_it_does_what_plugins_do_with_lists(self):
        kept = self.calls_of(3, 1, 2)
        by_name = [report.nodeid[-1] for report in sorted(kept, key=lambda report: report.nodeid)]
        kept.sort(key=lambda report: report.nodeid)
        self.assertEqual([report.nodeid[-1] for report in kept.copy()], by_name)
        self.assertEqual(len([] + kept + kept[:1]), 4)
        kept.remove(kept[0])
        self.assertEqual(len(kept), 2)

    def test_another_report_is_left_as_it_is(self):
        kept = self.calls_of(1)
        kept.append("what a plugin put there")
        self.shelf.shorten(object(), None)
        self.assertEqual(kept[-1], "what a plugin put there")


def looks():
    def count():
        return len(gc.get_objects())
    return count()


def looks_not():
    return gc.collect()


def own_pages(address, count):
    """How many of them no other process has, by bit 56 of their entries in pagemap."""
    with open("/proc/self/pagemap", "rb", buffering=0) as table:
        table.seek(address // _PAGE_BYTES * 8)
        return sum(1 for top in table.read(count * 8)[7::8] if top & 1)


@unittest.skipUnless(os.path.exists("/proc/self/pagemap"), "not told by this system")
class Pages(unittest.TestCase):
    PAGES = 1024

    def setUp(self):
        self.memory = bytearray(self.PAGES * _PAGE_BYTES)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory)) + _PAGE_BYTES
        self.memory[:] = b"x" * len(self.memory)
        stays, self.go = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.close(self.go)
            os.read(stays, 1)
            os._exit(0)
        os.close(stays)
        self.assertLess(self.owned(), self.PAGES // 10)

    def tearDown(self):
        os.close(self.go)
        os.waitpid(self.child, 0)

    def owned(self):
        return own_pages(self.address, self.PAGES - 1)

    def test_what_is_shared_with_a_fork_is_taken_back(self):
        with unittest.mock.patch.object(pages, "_DEAR_SECONDS", -1):
            pages._take_back()
        if ctypes.CDLL(None).madvise(None, 0, pages._POPULATE_WRITE) != 0:
            self.skipTest("not known to this kernel")
        self.assertGreater(self.owned(), self.PAGES * 9 // 10)
        self.assertEqual(bytes(self.memory[::_PAGE_BYTES]), b"x" * self.PAGES)

    def test_it_is_left_where_faults_cost_little(self):
        with unittest.mock.patch.object(pages, "_DEAR_SECONDS", 3600):
            pages._take_back()
        self.assertLess(self.owned(), self.PAGES // 10)


class Case:
    def test_looks(self):
        return gc.get_objects()


class Lookers(unittest.TestCase):
    def found(self, items):
        items = [Item(item) for item in items]
        together = lookers.of(items)
        return [item.obj for item in items if item in together]

    def test_those_that_ask_are_found_wherever_the_question_is(self):
        few = [looks, Case().test_looks, functools.wraps(looks)(lambda: None)]
        self.assertEqual(self.found(few + [looks_not, len, None] * 100), few)

    def test_they_are_left_alone_where_they_are_many(self):
        self.assertEqual(self.found([looks] * 2 + [looks_not] * 100), [])
        self.assertEqual(self.found([looks] * 33 + [looks_not] * 10000), [])
        self.assertEqual(len(self.found([looks] * 32 + [looks_not] * 10000)), 32)


class Item:
    """As much of pytest's as is asked for."""

    def __init__(self, obj):
        self.obj = obj


if __name__ == "__main__":
    unittest.main()
