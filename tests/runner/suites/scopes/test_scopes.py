import time

import pytest


@pytest.fixture(scope="session")
def session_thing():
    time.sleep(0.06)
    yield
    time.sleep(0.01)


@pytest.fixture(scope="module")
def module_thing(session_thing):
    time.sleep(0.02)
    yield
    time.sleep(0.01)


class TestC:
    @pytest.fixture(scope="class")
    def class_thing(self, module_thing):
        time.sleep(0.01)

    def test_one(self, class_thing):
        pass

    def test_two(self, class_thing):
        pass
