"""Every shape of outcome, each in the plainest form."""

import logging
import os
import sys
import unittest
import warnings

import pytest


def test_passes():
    pass


def test_prints(module_thing):
    print("to stdout")
    print("to stderr", file=sys.stderr)
    os.write(1, b"past sys.stdout\n")


def test_fails_with_output():
    print("before the failure")
    logging.warning("a log record")
    assert {"a": 1} == {"a": 2}


def test_fails_in_helper():
    def helper(number):
        raise ValueError("helper says %d" % number)

    try:
        helper(1)
    except ValueError as problem:
        raise RuntimeError("outer") from problem


@pytest.mark.skip(reason="not today")
def test_skipped():
    pass


def test_skips_itself():
    pytest.skip("in the body")


@pytest.mark.xfail(reason="known")
def test_xfails():
    assert False


@pytest.mark.xfail
def test_xpasses():
    pass


@pytest.mark.xfail(strict=True, reason="must fail")
def test_xpasses_strictly():
    pass


@pytest.fixture
def bad_setup():
    raise OSError("no set-up")


@pytest.fixture
def bad_teardown():
    yield
    raise OSError("no teardown")


def test_error_in_setup(bad_setup):
    pass


def test_error_in_teardown(bad_teardown):
    pass


def test_fails_twice(bad_teardown):
    assert 0


@pytest.mark.parametrize("value", ["a", "b::c", "d[e]", "ü", "", "x y", None, 1.5])
def test_params(value, module_thing):
    assert value != "d[e]"


def test_capsys(capsys):
    print("mine")
    assert capsys.readouterr().out == "mine\n"
    print("after")


def test_capfd(capfd):
    os.write(1, b"raw")
    assert capfd.readouterr().out == "raw"


def test_caplog(caplog):
    logging.error("caught")
    assert "caught" in caplog.text


def test_warns():
    warnings.warn("deprecated thing", DeprecationWarning)


def test_properties(record_property, tmp_path):
    record_property("colour", "green")
    (tmp_path / "file").write_text("x")


def test_suite_property(record_testsuite_property):
    record_testsuite_property("build", 7)


def test_xml_attribute(record_xml_attribute):
    record_xml_attribute("assertions", 3)


@pytest.fixture(scope="class")
def class_thing():
    print("class up")
    yield
    print("class down")


@pytest.mark.usefixtures("class_thing")
class TestClass:
    def test_one(self):
        print("one")

    def test_two(self):
        pass


class CaseTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.thing = 1

    def test_unit(self):
        self.assertEqual(self.thing, 1)

    def test_unit_fails(self):
        self.assertEqual(self.thing, 2)

    @unittest.skip("unit skip")
    def test_unit_skip(self):
        pass

    @unittest.expectedFailure
    def test_unit_expected(self):
        self.fail("as expected")


def test_long_output():
    print("x" * 100000)
    assert 0, "y" * 5000


@pytest.fixture
def slow_set_up():
    import time

    time.sleep(0.05)


def test_slow_set_up(slow_set_up):
    pass
