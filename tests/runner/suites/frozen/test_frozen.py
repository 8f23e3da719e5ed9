"""Time stands still for these tests, as with freezegun, which replaces what measures it."""

import time

import pytest


@pytest.fixture(scope="module")
def frozen():
    time.sleep(0.02)
    measure, time.perf_counter = time.perf_counter, lambda: 1e9
    yield
    time.perf_counter = measure


def test_frozen(frozen):
    assert time.perf_counter() == 1e9
