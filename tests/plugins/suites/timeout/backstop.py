"""Named on the command line alone: pytest-timeout limits some of these, makespan's --timeout 1 the rest."""
import signal
import time

import pytest


@pytest.mark.timeout(0.3)
def test_deaf_to_the_plugin():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(1000)


@pytest.mark.timeout(30)
def test_longer_than_ours():
    time.sleep(1.8)


@pytest.mark.timeout(0)
def test_without_limit():
    time.sleep(1.8)


def test_ours():
    time.sleep(1000)
