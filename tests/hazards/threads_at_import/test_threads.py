"""A thread that a fork of the collecting process does not have: its queue is never served."""

import queue
import threading

import pytest

JOBS, ANSWERS = queue.Queue(), queue.Queue()


def serve():
    while True:
        ANSWERS.put(JOBS.get() * 2)


threading.Thread(target=serve, name="server", daemon=True).start()


@pytest.mark.parametrize("number", range(4))
def test_thread_answers(number):
    JOBS.put(number)
    assert ANSWERS.get(timeout=2) == number * 2
