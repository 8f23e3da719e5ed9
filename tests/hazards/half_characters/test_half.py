"""Texts that are not UTF-8: half a surrogate pair, as a file name of other bytes has, and a NUL."""

import logging
import warnings

import pytest

HALF = "\udcff\ud800"


def test_message():
    assert HALF == "", HALF


def test_skip():
    pytest.skip(HALF)


@pytest.mark.xfail(reason=HALF)
def test_xfail():
    raise ValueError(HALF)


def test_log_and_print():
    print("a\0b")
    logging.warning(HALF)
    raise ValueError("a\0b")


def test_property(record_property):
    record_property("nul", "\0")


def test_warning():
    warnings.warn(HALF)


@pytest.fixture(scope="module")
def bad_end():
    yield
    raise ValueError(HALF)


def test_teardown(bad_end):
    pass
