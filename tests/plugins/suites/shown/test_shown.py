import unittest
import warnings

import pytest


class TestParts(unittest.TestCase):
    def test_two_of_three(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 1)


def test_fixture(subtests):
    for number in range(4):
        with subtests.test(msg="part", number=number):
            print("part %d" % number)
            assert number % 2


def test_warns():
    warnings.warn("a warning of the suite", UserWarning)


@pytest.mark.xfail(reason="known")
def test_expected():
    assert False


@pytest.mark.skip(reason="later")
def test_skipped():
    pass
