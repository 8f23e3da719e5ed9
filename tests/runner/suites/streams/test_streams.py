"""Modules keep the standard streams they find when they are imported: handlers of logging, consoles, parameters."""

import logging
import os
import sys

import pytest

OUT, ERR = sys.stdout, sys.stderr
LOG = logging.getLogger("streams")
LOG.addHandler(logging.StreamHandler(sys.stderr))
LOG.propagate = False


@pytest.mark.parametrize("kept, name", [(sys.stdout, "stdout"), (sys.stderr, "stderr"), (sys.stdout.buffer, "buffer")])
def test_is_the_one_of_the_test(kept, name):
    assert kept is (sys.stdout.buffer if name == "buffer" else getattr(sys, name))


def test_what_is_kept_is_captured():
    print("printed to what was kept", file=OUT)
    LOG.warning("logged to what was kept")
    os.write(1, b"written\n")
    ERR.write("and more\n")
    assert not "shown with its output"


@pytest.fixture(scope="module", autouse=True)
def around():
    print("before the first test", file=OUT)
    yield
    print("after the last", file=OUT)


def test_what_is_read_is_its_own(capsys):
    print("read")
    assert capsys.readouterr().out == "read\n"
