"""Named on the command line alone: this method ends the whole process."""
import time

import pytest


def test_first():
    pass


@pytest.mark.timeout(0.3, method="thread")
def test_ends_the_process():
    time.sleep(30)


def test_last():
    pass
