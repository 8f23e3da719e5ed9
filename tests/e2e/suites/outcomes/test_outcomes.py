"""One test of each outcome; a skip's report holds a tuple that JSON would turn into a list."""
import unittest

import pytest


@pytest.fixture
def broken_setup():
    raise LookupError("no such thing")


@pytest.fixture
def broken_teardown():
    yield
    raise LookupError("no way back")


def test_passes():
    pass


def test_fails():
    assert 1 + 1 == 3, "sums are <wrong> & \"odd\" \x1b[31m…"


def test_set_up_fails(broken_setup):
    pass


def test_teardown_fails(broken_teardown):
    pass


def test_fails_twice(broken_teardown):
    assert False


@pytest.mark.skip(reason="not today")
def test_skipped():
    pass


def test_skips_itself():
    pytest.skip("found out late")


@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    assert False


@pytest.mark.xfail(reason="was known")
def test_passes_unexpectedly():
    pass


@pytest.mark.xfail(reason="must fail", strict=True)
def test_passes_against_strict():
    pass


class OldStyle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ready = True

    def test_ready(self):
        self.assertTrue(self.ready)

    @unittest.expectedFailure
    def test_expected(self):
        self.fail("as expected")

    @unittest.skipUnless(False, "never")
    def test_never(self):
        pass
