"""Bucket numbers: the same in every process and for ever, because a model is bound to them."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.text.tokenizer import PADDING, TOKENIZER_VERSION, HashingTokenizer, buckets

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
