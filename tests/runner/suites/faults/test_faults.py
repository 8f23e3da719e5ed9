"""Fixtures that pytest finds fault with: no frame of the suite is in the traceback."""

import pytest
from _pytest.debugging import pytestPDB


@pytest.fixture
def yields_nothing():
    if 0:
        yield


@pytest.fixture(scope="module")
def yields_nothing_wide():
    if 0:
        yield


@pytest.fixture(scope="module")
def fails():
    raise ValueError("wide")


@pytest.fixture
def with_param(request):
    return request.param


@pytest.fixture
def asks_for_param(request):
    return request.getfixturevalue("with_param")


def test_yields_nothing(yields_nothing):
    pass


def test_yields_nothing_wide(yields_nothing_wide):
    pass


def test_fails(fails):
    pass


def test_no_param(asks_for_param):
    pass


def test_no_param_in_call(request):
    request.getfixturevalue("with_param")


def test_debugger_of_a_pytest_inside(monkeypatch):
    monkeypatch.setattr(pytestPDB, "_config", None)
    assert pytestPDB._init_pdb("set_trace")
