"""A plugin that opens something for each class and closes it when the next test is of another one.

It looks at nextitem in pytest_runtest_teardown, which only works where that is the test that follows.
"""

import pytest

_open_for = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    if not _open_for:
        _open_for.append(item.cls)
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item, nextitem):
    yield
    if nextitem is None or nextitem.getparent(pytest.Class) is not item.getparent(pytest.Class):
        _open_for.clear()


@pytest.fixture
def open_for():
    return _open_for[0]
