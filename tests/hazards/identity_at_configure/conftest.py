"""As SQLAlchemy's plugin: the controller makes a database per worker, the worker opens it when it
configures."""

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["database"] = "db_" + node.workerinput["workerid"]


def pytest_configure(config):
    workerinput = getattr(config, "workerinput", {"database": "db_master"})
    config.database = workerinput["database"]
