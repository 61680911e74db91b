"""A hashing tokenizer: no vocabulary to build or to lose, and the same numbers in every process.

Python's `hash()` is salted per process, so a network trained on it is meaningless after a restart; a keyed BLAKE2b digest is not.
Every word becomes its own bucket plus the buckets of its character n-grams (Bojanowski et al. 2017, "Enriching Word Vectors with Subword
Information"), so an unseen word or a typing slip still shares most of its numbers with the word that was meant.
"""

import hashlib
import random
from collections.abc import Sequence
from functools import lru_cache

from crossmodal.text.cleaning import words

TOKENIZER_VERSION = "blake2b-words-ngrams-1"
"""Goes into every checkpoint: a model is bound to the numbers it was trained on."""

PADDING = 0
_KEY = b"crossmodal-tokenizer-1"
_NGRAM_SIZES = (3, 4)


class HashingTokenizer:
    """Texts to bucket numbers.

    Args:
        vocab_size: buckets, words and n-grams together; number 0 is padding and never a bucket of a word.
        max_tokens: words of a text that are read; the rest is left out.

    Raises:
        ValueError: `vocab_size` below 2 or `max_tokens` below 1.
    """

    def __init__(self, vocab_size: int, max_tokens: int) -> None:
        if vocab_size < 2 or max_tokens < 1:
            raise ValueError(f"vocab_size must be at least 2 and max_tokens at least 1, not {vocab_size} and {max_tokens}")
        self.vocab_size = vocab_size
        self.max_tokens = max_tokens

    def __call__(self, text: str) -> list[tuple[int, ...]]:
        """Bucket numbers of each word: the word's own first, then its n-grams'. An empty text gives one word of padding."""
        return self.encode_words(words(text))

    def encode_words(self, found: Sequence[str]) -> list[tuple[int, ...]]:
        """The same for words already split."""
        return [buckets(word, self.vocab_size) for word in found[: self.max_tokens]] or [(PADDING,)]


@lru_cache(maxsize=16_384)  # of the longest words this is some 80 MB, of usual ones 10
def buckets(word: str, vocab_size: int) -> tuple[int, ...]:
    """Numbers of one word in 1..vocab_size-1: the whole word, then every n-gram of `<word>`."""
    marked = f"<{word}>"
    ngrams = [marked[i : i + size] for size in _NGRAM_SIZES for i in range(len(marked) - size + 1)]
    return tuple(_bucket(part, vocab_size) for part in ["=" + word, *ngrams])


def _bucket(part: str, vocab_size: int) -> int:
    digest = hashlib.blake2b(part.encode("utf-8", "surrogatepass"), digest_size=8, key=_KEY).digest()
    return 1 + int.from_bytes(digest, "little") % (vocab_size - 1)


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
