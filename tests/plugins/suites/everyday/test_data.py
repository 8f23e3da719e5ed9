"""A little of each of the plugins that suites use every day."""
import os

import pytest
from pytest_lazyfixture import lazy_fixture


def test_mock(mocker):
    mocker.patch("os.getcwd", return_value="elsewhere")
    assert os.getcwd() == "elsewhere"


def test_mock_is_gone():
    assert os.getcwd() != "elsewhere"


@pytest.mark.repeat(3)
def test_repeated():
    pass


def test_datadir(datadir):
    assert (datadir / "words.txt").read_text() == "words\n"


def test_regression(data_regression):
    data_regression.check({"a": 1})


@pytest.fixture
def one():
    return 1


@pytest.mark.parametrize("value", [lazy_fixture("one"), 2])
def test_lazy(value):
    assert value in (1, 2)


def test_http(httpserver):
    import urllib.request

    httpserver.expect_request("/x").respond_with_data("there")
    assert urllib.request.urlopen(httpserver.url_for("/x")).read() == b"there"


@pytest.mark.anyio
async def test_anyio():
    import anyio

    await anyio.sleep(0)
