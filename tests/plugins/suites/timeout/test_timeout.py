import threading
import time

import pytest


@pytest.mark.timeout(0.3)
def test_by_signal():
    print("before the limit")
    time.sleep(30)


@pytest.fixture
def slow():
    time.sleep(30)


@pytest.mark.timeout(0.3)
def test_in_a_fixture(slow):
    pass


@pytest.mark.timeout(30)
def test_in_time():
    assert threading.current_thread() is threading.main_thread()


def test_after_it():
    pass
