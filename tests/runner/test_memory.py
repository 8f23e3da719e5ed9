"""What keeps the memory of workers small: pages without holes before the fork, and nothing kept after."""

import functools
import gc
import os
import subprocess
import sys
import unittest

import harness

PYTEST_SIDE = os.path.join(harness.HERE, "..", "..", "agent", "runner", "pytest")
sys.path.insert(0, PYTEST_SIDE)

from _makespan_runner import holes, lookers, memory  # noqa: E402

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
        made = [bytes(length) for length in range(0, 470, 8) for _ in range(100)]
        made += [object() for _ in range(100)]
        shared = pages_of(made) & before
        # A fill is Python, too: it makes and frees a few objects of its own.
        self.assertLess(len(shared), 20, "of %d pages" % len(before))


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


def looks():
    def count():
        return len(gc.get_objects())
    return count()


def looks_not():
    return gc.collect()


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
