import time

import conftest
import pytest


@pytest.mark.parametrize("number", range(6))
def test_name_is_of_this_worker(number, worker_id):
    time.sleep(0.02)
    assert conftest.NAME == "db_" + worker_id
