"""For every test: one thread of torch in this process, so that tests running side by side do not fight over the cores.

A program that a test starts is not meant by it: the variable is gone before the first test runs.
"""

import os

_CHOSEN = "OMP_NUM_THREADS" in os.environ
if not _CHOSEN:
    os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collection_finish() -> None:
    """All that is imported at the top of a test is imported by now."""
    if not _CHOSEN:
        os.environ.pop("OMP_NUM_THREADS", None)
