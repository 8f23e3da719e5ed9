import os
import signal

import pytest


@pytest.mark.forked
def test_dies():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.forked
@pytest.mark.parametrize("number", range(2))
def test_in_a_child(number, tmp_path):
    (tmp_path / "x").write_text("x")
    assert number == 0


def test_beside():
    pass
