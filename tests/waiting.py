"""Waiting for what another thread or process does: until it has happened, with a deadline that only a fault reaches."""

import time
from collections.abc import Callable

LONG_S = 60.0


def wait_until(condition: Callable[[], object], what: str = "it did not happen") -> None:
    """Return once `condition` holds; fail with `what` after a minute."""
    end = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)
