"""Things that a fork could get wrong."""

import random
import sys
import tempfile


def test_stdin_is_empty():
    try:
        sys.stdin.read()
        raise AssertionError("pytest refuses stdin under capture")
    except OSError:
        pass


def test_tmp_path_factory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain", numbered=False)
    assert folder.is_dir()


def test_temporary_directory_goes_away():
    keep = tempfile.TemporaryDirectory()
    test_temporary_directory_goes_away.keep = keep


def test_random_differs():
    assert random.random() != random.random()
