import pytest


@pytest.fixture(scope="module")
def prints():
    yield
    print("only prints")


class TestC:
    @pytest.fixture(scope="class")
    def klass(self):
        yield
        assert 0, "class teardown fails"

    def test_c(self, klass):
        assert 0

    def test_d(self, klass, prints):
        pass


@pytest.mark.xfail(reason="all of it")
def test_e(prints):
    assert 0
