import pytest


@pytest.mark.parametrize("number", range(3))
def test_passes(number):
    pass


@pytest.fixture
def failing_at_the_end():
    yield
    raise ValueError("too late")


def test_fails_at_the_end(failing_at_the_end):
    pass


def test_skips():
    pytest.skip("not today")


def test_prints():
    print("something")
