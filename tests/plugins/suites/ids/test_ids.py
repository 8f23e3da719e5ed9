import pytest


@pytest.mark.parametrize("address", ["::1", "a@b", "x::y[z]", "tab\there", "\u00e9t\u00e9", "a,b"])
def test_address(address):
    assert address


@pytest.mark.parametrize("class_", [int, str])
class TestIn:
    def test_it(self, class_):
        assert class_()  is not None
