import pytest


@pytest.mark.mine
@pytest.mark.xdist_group(name="g")
def test_a():
    pass


@pytest.mark.makespan(serial=True, mutex="db", mem="1GiB", threads=2, timeout=1.5)
def test_b():
    pass
