import os
import pathlib

import pytest


@pytest.mark.parametrize("number", range(12))
def test_number(number, request):
    with open(pathlib.Path(os.environ["NOTES"]) / "order", "a") as file:
        file.write("%d\n" % number)
