"""Slips made on purpose: small, reproducible, and never the end of a text."""

import json
import os
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.text.tokenizer import PADDING, TOKENIZER_VERSION, HashingTokenizer, buckets, misspell, noisy


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


TEXT = "Red striped mug, café रंग 👟"
PINNED = (6089, 2064, 13903, 15641, 1558, 14704)


def test_numbers_are_pinned() -> None:
    assert TOKENIZER_VERSION == "blake2b-words-ngrams-1", "pin the new numbers with the new version"
    assert buckets("red", 16_384) == PINNED


def test_numbers_are_equal_in_every_process() -> None:
    script = (
        "import sys, json; from crossmodal.text.tokenizer import HashingTokenizer as T;"
        f"print(json.dumps(T(4096, 32)({TEXT!r}))); assert 'torch' not in sys.modules"
    )
    here = [list(word) for word in HashingTokenizer(4096, 32)(TEXT)]
    for seed in ("0", "1", "random"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"}
        said = subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True)
        assert json.loads(said.stdout) == here


@given(st.text(st.characters(), max_size=60), st.integers(2, 5000), st.integers(1, 8))
def test_every_text_gives_words_of_buckets(text: str, vocab_size: int, max_tokens: int) -> None:
    found = HashingTokenizer(vocab_size, max_tokens)(text)
    assert 1 <= len(found) <= max_tokens
    if found != [(PADDING,)]:
        assert all(1 <= number < vocab_size for word in found for number in word)


def test_an_empty_text_is_one_word_of_padding() -> None:
    assert HashingTokenizer(256, 4)("") == [(PADDING,)]
    assert HashingTokenizer(256, 4).encode_words([]) == [(PADDING,)]


def test_words_beyond_the_limit_are_left_out() -> None:
    tokenizer = HashingTokenizer(4096, 2)
    assert tokenizer("red mug on a table") == tokenizer("red mug")


@pytest.mark.parametrize(("meant", "typed"), [("striped", "stripd"), ("bicycle", "bicycel"), ("umbrella", "umbrela")])
def test_a_slip_shares_many_numbers_and_another_word_few(meant: str, typed: str) -> None:
    size = 2**20  # wide enough that nothing meets by chance
    of_meant, of_typed = set(buckets(meant, size)), set(buckets(typed, size))
    assert len(of_meant & of_typed) >= len(of_typed) // 3
    assert buckets(meant, size)[0] != buckets(typed, size)[0]  # the whole word is another
    assert not of_meant & set(buckets("xyzzyq", size))


def test_a_word_is_not_its_own_ngram() -> None:
    """`red` as a word and the n-gram `red` inside `bored` are different things."""
    size = 2**20
    assert buckets("red", size)[0] not in buckets("bored", size)
    assert len(set(buckets("red", size))) == 1 + 3 + 2  # the word, three 3-grams and two 4-grams of <red>


def test_buckets_are_used_evenly() -> None:
    size, n_words = 65, 3000
    counts = [0] * size
    for i in range(n_words):
        counts[buckets(f"word{i}", size)[0]] += 1
    assert counts[PADDING] == 0
    assert max(counts) < 2 * n_words / (size - 1)


@pytest.mark.parametrize(("vocab_size", "max_tokens"), [(1, 5), (0, 5), (256, 0)])
def test_impossible_sizes_are_refused(vocab_size: int, max_tokens: int) -> None:
    with pytest.raises(ValueError, match=f"{vocab_size} and {max_tokens}"):
        HashingTokenizer(vocab_size, max_tokens)
