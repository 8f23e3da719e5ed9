import os
import time

import pytest


def note(what):
    with open(os.path.join(os.environ["NOTES"], "times"), "ab", buffering=0) as file:
        file.write(("%s %f\n" % (what, time.monotonic())).encode())


@pytest.mark.parametrize("number", range(3))
def test_measured(benchmark, number):
    note("begin")
    benchmark.pedantic(time.sleep, args=(0.01,), rounds=3)
    note("end")


@pytest.mark.parametrize("number", range(6))
def test_beside(number):
    note("plain")
    time.sleep(0.01)
