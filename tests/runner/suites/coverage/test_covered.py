import covered
import pytest


@pytest.mark.parametrize("number", range(12))
def test_size(number):
    assert covered.size(number)
