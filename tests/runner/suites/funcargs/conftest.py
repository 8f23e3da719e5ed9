"""Plugins look into item.funcargs when they make a report, even of a session fixture's end."""

import time

import pytest


@pytest.fixture(scope="session")
def slow_end():
    yield
    time.sleep(0.01)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    item.funcargs.get("benchmark")
    yield
