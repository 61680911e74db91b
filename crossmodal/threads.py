"""How many processor cores one piece of work may use."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

ALL_THREADS = torch.get_num_threads()
"""What torch chose for this computer: right for batches, training and rebuilds."""


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads for what this thread does inside the block.

    One is right for a single query: a call of a few milliseconds that wants two cores waits for a whole time slice whenever the second
    is busy. Other threads that have used torch before keep their own number; one that first uses it while a block lasts starts with the
    block's, so long work should ask for its own.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
