import pytest


@pytest.mark.lovely
@pytest.mark.parametrize("number", range(3))
def test_first(number):
    pass


def test_skipped():
    pytest.skip("no hook changes this")
