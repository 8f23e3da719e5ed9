"""A database opened when the first conftest loads: before any process of ours can be forked."""

import os
import sqlite3
import tempfile

FOLDER = tempfile.mkdtemp(prefix="database-")
DATABASE = sqlite3.connect(os.path.join(FOLDER, "db.sqlite"))
DATABASE.execute("create table seen (number integer)")
DATABASE.commit()
OPENED_BY = os.getpid()


def pytest_unconfigure(config):
    DATABASE.close()
    os.unlink(os.path.join(FOLDER, "db.sqlite"))
    os.rmdir(FOLDER)
