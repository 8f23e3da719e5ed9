"""An event loop made at import: forks would share its epoll descriptor and its self-pipe."""

import asyncio
import os
import threading

import pytest

LOOP = asyncio.new_event_loop()


async def answer(number):
    await asyncio.sleep(0)
    future = LOOP.create_future()
    threading.Timer(0.001, LOOP.call_soon_threadsafe, [future.set_result, number]).start()
    return await future


@pytest.mark.parametrize("number", range(6))
def test_loop_is_woken(number):
    assert LOOP.run_until_complete(asyncio.wait_for(answer(number), 0.5)) == number


def test_loop_is_our_own():
    """The process that made it is the one that runs tests."""
    assert MADE_BY == os.getpid()


MADE_BY = os.getpid()
