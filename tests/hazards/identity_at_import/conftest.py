"""As settings that name a database after the worker, when they are imported."""

import os

NAME = "db_" + os.environ.get("PYTEST_XDIST_WORKER", "master")
