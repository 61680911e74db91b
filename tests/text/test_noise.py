"""Slips made on purpose: small, reproducible, and never the end of a text."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.text.noise import misspell, noisy


def edits(a: str, b: str) -> int:
    """Damerau-Levenshtein distance with adjacent swaps, by the textbook table."""
    table = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


@given(st.text(min_size=4, max_size=12), st.integers())
def test_a_slip_is_one_edit_that_keeps_the_first_letter(word: str, seed: int) -> None:
    slipped = misspell(word, random.Random(seed))
    assert edits(word, slipped) <= 1
    assert slipped[0] == word[0]


@pytest.mark.parametrize("word", ["", "a", "red"])
def test_short_words_stay(word: str) -> None:
    assert {misspell(word, random.Random(seed)) for seed in range(20)} == {word}


def test_every_kind_of_slip_happens() -> None:
    slips = {misspell("abcdef", random.Random(seed)) for seed in range(300)}
    assert {len(slip) for slip in slips} == {5, 6, 7}
    assert any(sorted(slip) == sorted("abcdef") and slip != "abcdef" for slip in slips)


@given(st.lists(st.sampled_from(["red", "striped", "mug", "large"]), max_size=6), st.integers())
def test_something_is_always_left(found: list[str], seed: int) -> None:
    assert noisy(found, random.Random(seed), misspelt=0.0, dropped=1.0) == found
    assert bool(noisy(found, random.Random(seed), misspelt=1.0, dropped=0.5)) == bool(found)


def test_shares_are_as_asked() -> None:
    rng, found = random.Random(3), ["abcdefgh"] * 20_000
    kept = noisy(found, rng, misspelt=0.1, dropped=0.05)
    assert len(kept) / len(found) == pytest.approx(0.95, abs=0.01)
    assert sum(word != "abcdefgh" for word in kept) / len(kept) == pytest.approx(0.1, abs=0.01)  # a letter may replace itself


def test_no_noise_changes_nothing_and_a_seed_repeats_itself() -> None:
    found = ["striped", "mug", "large"]
    assert noisy(found, random.Random(1), misspelt=0.0, dropped=0.0) == found
    first, second = (noisy(found * 9, random.Random(7), misspelt=0.5, dropped=0.2) for _ in range(2))
    assert first == second != found * 9
