import pytest


def pytest_report_collectionfinish(config):
    return ["a line of the suite's own"]


@pytest.fixture(scope="session")
def session_thing():
    print("session up")
    yield 1
    print("session down")


@pytest.fixture(scope="module")
def module_thing(session_thing):
    print("module up")
    yield 2
    print("module down")
