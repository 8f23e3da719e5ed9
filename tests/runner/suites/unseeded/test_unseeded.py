import os
import random
import time

import pytest

try:
    import numpy
except ImportError:
    numpy = None


@pytest.mark.parametrize("turn", range(6))
def test_numbers(turn):
    numbers = {"random": random.random()}
    if numpy is not None:
        numbers["numpy"] = numpy.random.random()
    with open(os.environ["NOTES"], "a") as stream:
        for name, number in numbers.items():
            stream.write("%s %s %r\n" % (os.environ["PYTEST_XDIST_WORKER"], name, number))
    time.sleep(0.02)
