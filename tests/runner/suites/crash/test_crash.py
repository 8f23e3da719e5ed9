import os
import signal

import pytest


@pytest.mark.parametrize("number", range(6))
def test_before(number):
    print("fine", number)


def test_exits():
    print("last words")
    os._exit(3)


def test_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def test_segfault():
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize("number", range(6))
def test_after(number):
    pass
