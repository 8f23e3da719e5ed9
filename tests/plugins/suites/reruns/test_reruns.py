import os
import pathlib

import pytest

FOLDER = pathlib.Path(os.environ["NOTES"])
closed = []


def attempt(name):
    """How often this was called before, in any process."""
    with open(FOLDER / name, "a+b") as file:
        file.write(b"x")
        file.flush()
        return os.fstat(file.fileno()).st_size


@pytest.fixture(scope="module")
def shared():
    yield 1
    closed.append("shared")


@pytest.fixture
def fresh(request):
    return attempt(request.node.name + "-set-up")


@pytest.mark.flaky(reruns=3)
def test_second_time(shared, fresh):
    print("try %d" % fresh)
    assert attempt("second") == 2
    assert fresh == 2


@pytest.mark.flaky(reruns=2)
def test_never(record_property):
    record_property("tried", "yes")
    assert False


@pytest.fixture
def shaky():
    assert attempt("shaky") > 1


@pytest.mark.flaky(reruns=1)
def test_set_up_fails_once(shaky):
    pass


def test_plain(shared):
    assert not closed
