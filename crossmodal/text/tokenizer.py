"""A hashing tokenizer: needs no vocabulary and gives the same ids in every process.

Python's `hash()` is salted per process, so a network trained on it is meaningless after a restart; a keyed BLAKE2b digest is stable.
Every word maps to its own bucket plus the buckets of its character n-grams (Bojanowski et al. 2017, "Enriching Word Vectors with Subword
Information"), so an unseen word or a typo still shares most of its buckets with the intended word.
"""

import hashlib
import random
from collections.abc import Sequence
from functools import lru_cache

from crossmodal.text.cleaning import words

TOKENIZER_VERSION = "blake2b-words-ngrams-1"
"""Stored in every checkpoint: a model only works with the ids it was trained on."""

PADDING = 0
_KEY = b"crossmodal-tokenizer-1"
_NGRAM_SIZES = (3, 4)


class HashingTokenizer:
    """Maps texts to bucket ids.

    Args:
        vocab_size: number of buckets, shared by words and n-grams; id 0 is reserved for padding.
        max_tokens: maximum words per text; the rest is ignored.

    Raises:
        ValueError: `vocab_size` below 2 or `max_tokens` below 1.
    """

    def __init__(self, vocab_size: int, max_tokens: int) -> None:
        if vocab_size < 2 or max_tokens < 1:
            raise ValueError(f"vocab_size must be at least 2 and max_tokens at least 1, not {vocab_size} and {max_tokens}")
        self.vocab_size = vocab_size
        self.max_tokens = max_tokens

    def __call__(self, text: str) -> list[tuple[int, ...]]:
        """Bucket ids of each word: the word's own first, then those of its n-grams. An empty text gives one padding word."""
        return self.encode_words(words(text))

    def encode_words(self, found: Sequence[str]) -> list[tuple[int, ...]]:
        """The same for text already split into words."""
        return [buckets(word, self.vocab_size) for word in found[: self.max_tokens]] or [(PADDING,)]


@lru_cache(maxsize=16_384)  # some 10 MB for ordinary words, 80 MB for the longest
def buckets(word: str, vocab_size: int) -> tuple[int, ...]:
    """Bucket ids of one word, in 1..vocab_size-1: the whole word, then every n-gram of `<word>`."""
    marked = f"<{word}>"
    ngrams = [marked[i : i + size] for size in _NGRAM_SIZES for i in range(len(marked) - size + 1)]
    return tuple(_bucket(part, vocab_size) for part in ["=" + word, *ngrams])


def _bucket(part: str, vocab_size: int) -> int:
    digest = hashlib.blake2b(part.encode("utf-8", "surrogatepass"), digest_size=8, key=_KEY).digest()
    return 1 + int.from_bytes(digest, "little") % (vocab_size - 1)


_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def misspell(word: str, rng: random.Random) -> str:
    """Add one typo: two letters swapped, or one dropped, doubled or replaced. Words under four letters are returned unchanged."""
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
    """Add noise: each word is misspelt with probability `misspelt` and dropped with probability `dropped`; never drops all words."""
    kept = [misspell(word, rng) if rng.random() < misspelt else word for word in found if rng.random() >= dropped]
    return kept or list(found)
