import os

import conftest
import pytest


@pytest.mark.parametrize("number", range(10))
def test_rows_are_our_own(number):
    assert conftest.OPENED_BY == os.getpid()
    conftest.DATABASE.execute("insert into seen values (?)", [number])
    conftest.DATABASE.commit()
    assert conftest.DATABASE.execute("pragma integrity_check").fetchone() == ("ok",)
