"""Wider fixtures that fail or print at their end, between modules and at the very end."""

import pytest


@pytest.fixture(scope="module")
def breaks():
    yield
    print("printed on the way down")
    raise RuntimeError("module teardown fails")


def test_a(breaks):
    pass


def test_b(breaks):
    print("b")
