import pytest


@pytest.mark.order(2)
def test_second():
    pass


@pytest.mark.order(1)
def test_first():
    pass


@pytest.mark.dependency
def test_base():
    assert False


@pytest.mark.dependency(depends=["test_base"])
def test_on_top():
    pass
