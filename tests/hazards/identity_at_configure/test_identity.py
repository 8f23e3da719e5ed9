import time

import pytest


@pytest.mark.parametrize("number", range(6))
def test_database_is_of_this_worker(number, request, worker_id):
    time.sleep(0.02)
    assert request.config.database == "db_" + worker_id
