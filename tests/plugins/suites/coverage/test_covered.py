import os
import subprocess
import sys

import pytest

import covered

# What pytest-cov.pth does where the plugin is installed.
CHILD = "import pytest_cov.embed; pytest_cov.embed.init(); import covered; covered.in_a_child()"


@pytest.mark.parametrize("number, wanted", [(-5, -1), (7, 1)])
def test_sign(number, wanted):
    assert covered.sign(number) == wanted


def test_again():
    assert covered.sign(1) == 1


def test_child():
    here = os.path.dirname(__file__)
    subprocess.run([sys.executable, "-c", CHILD], cwd=here, check=True)
