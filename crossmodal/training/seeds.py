"""One seed fixes everything: the state of every generator, and seeds of their own for parts of a training."""

import hashlib
import random

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Start Python's, numpy's and torch's generators (those of every GPU too) from one number."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries that draw from the global generator are meant
    torch.manual_seed(seed)


def derived_seed(seed: int, *parts: int | str) -> int:
    """A seed in [0, 2⁶³) for one epoch, step, view, ...: the same in every process and on every machine.

    What is drawn from `(seed, epoch, step)` needs no state: a resumed run draws it again.
    """
    text = "/".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator_for(seed: int, *parts: int | str) -> torch.Generator:
    """A new generator started from `derived_seed`."""
    return torch.Generator().manual_seed(derived_seed(seed, *parts))
