"""State that a process gets at import time and that a fork would share or lose."""

import atexit
import os
import random
import sqlite3
import tempfile
import weakref

import pytest

random.seed(1234)
SEEDED = random.getstate()

LEFT = tempfile.mkdtemp(prefix="suite-")
DATABASE = sqlite3.connect(os.path.join(LEFT, "db.sqlite"), check_same_thread=False)
DATABASE.execute("create table seen (worker text, test text)")
DATABASE.commit()


class Thing:
    pass


THING = Thing()


def _clean():
    """Only the process that made the folder may remove it, and it must still be whole then."""
    os.rmdir(os.path.join(LEFT, "missing")) if not os.path.isdir(LEFT) else None


atexit.register(_clean)
weakref.finalize(THING, _clean)


@pytest.fixture(scope="session")
def seeded():
    return SEEDED
