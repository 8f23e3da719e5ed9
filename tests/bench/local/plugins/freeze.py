"""What one line in a conftest can do as well: take the collected tests out of the collector's sight."""

import gc


def pytest_collection_finish():
    gc.collect()
    gc.freeze()
