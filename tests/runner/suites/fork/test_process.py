"""What belongs to a process, asked for in each worker."""

import asyncio
import faulthandler
import multiprocessing
import os
import signal
import time

import pytest

from test_fork import note


@pytest.mark.parametrize("turn", range(4))
def test_facts_of_this_process(turn, tmp_path_factory):
    note("pid", os.getpid())
    note("hash", hash("makespan"))
    note("basetemp", tmp_path_factory.getbasetemp())
    time.sleep(0.05)


def test_alarm_reaches_this_process():
    class Rang(Exception):
        pass

    def ring(number, frame):
        raise Rang

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with pytest.raises(Rang):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            time.sleep(10)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_interrupt_is_as_python_has_it():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_faulthandler_is_on():
    assert faulthandler.is_enabled()


def test_stdin_is_at_its_end():
    assert os.read(0, 1) == b""


async def _one():
    await asyncio.sleep(0)
    return 1


def test_event_loop():
    assert asyncio.run(_one()) == 1


def _double(queue, number):
    queue.put(number * 2)


def test_child_processes():
    queue = multiprocessing.Queue()
    children = [multiprocessing.Process(target=_double, args=(queue, n)) for n in range(2)]
    for child in children:
        child.start()
    assert sorted(queue.get(timeout=10) for _ in children) == [0, 2]
    for child in children:
        child.join()
