"""Typing slips, made on purpose: training sees them so that searching survives them."""

import random
from collections.abc import Sequence

_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def misspell(word: str, rng: random.Random) -> str:
    """The word with one slip: two letters swapped, one dropped, doubled or replaced. Words under four letters stay as they are."""
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 1)
    slip = rng.randrange(4)
    if slip == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if slip == 1:
        return word[:at] + word[at + 1 :]
    if slip == 2:
        return word[:at] + word[at] + word[at:]
    return word[:at] + rng.choice(_ALPHABET) + word[at + 1 :]


def noisy(found: Sequence[str], rng: random.Random, *, misspelt: float, dropped: float) -> list[str]:
    """Words with slips: each misspelt with probability `misspelt`, each left out with probability `dropped`, never all of them."""
    kept = [misspell(word, rng) if rng.random() < misspelt else word for word in found if rng.random() >= dropped]
    return kept or list(found)
