"""Text backbone: hashed word embeddings and a bidirectional GRU over the words (Cho et al. 2014)."""

import random
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from crossmodal.backbones.base import Config, Features, Origin, TextBackbone
from crossmodal.backbones.config import refused, settle
from crossmodal.backbones.weights import WeightsSource
from crossmodal.text.cleaning import words
from crossmodal.text.tokenizer import PADDING, TOKENIZER_VERSION, HashingTokenizer, noisy

NAME = "gru"
MISSPELT, DROPPED = 0.1, 0.05
"""Probabilities that a word is misspelt or dropped in training, as augmentation."""


class GRUBackbone(TextBackbone):
    """Hidden states of the GRU, one per word, forward and backward.

    The vector of a word is the mean over its hash buckets: that of the word and those of its character n-grams. The GRU is the only block.
    There are no pretrained weights, so it is usually trained whole.

    Args:
        given: settings to change: `vocab_size` (hash buckets), `max_tokens` (maximum words of a text), `width` (dimension of a word vector;
            half that of the features), `word_spread` (initial standard deviation of the word vectors; smaller is better with many rare
            words, whose vectors hardly change in training).
    """

    pooling = "max"
    cacheable = False

    def __init__(self, given: Config | None = None) -> None:
        defaults: Config = {
            "vocab_size": 16_384,
            "max_tokens": 32,
            "width": 128,
            "word_spread": 1.0,
            "tokenizer": TOKENIZER_VERSION,
        }
        settings = settle(NAME, defaults, given)
        if settings["tokenizer"] != TOKENIZER_VERSION:
            raise refused(NAME, f"reads words by {TOKENIZER_VERSION}, not {settings['tokenizer']!r:.60}")
        width = settings["width"]
        super().__init__(NAME, features=2 * width, blocks=1)
        self.settings = settings
        self.tokenizer = HashingTokenizer(settings["vocab_size"], settings["max_tokens"])
        self.embedding = nn.EmbeddingBag(self.tokenizer.vocab_size, width, mode="mean", padding_idx=PADDING)
        with torch.no_grad():
            self.embedding.weight.mul_(settings["word_spread"])
        self.gru = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.noise = random.Random(0)
        self.origin = Origin(False, "This backbone has no pretrained weights.")

    def config(self) -> Config:
        """See `Backbone`."""
        return dict(self.settings)

    def stem(self, texts: Sequence[str], trainable_blocks: int) -> Features:
        """See `TextBackbone`; the word vectors for 1, the states of the GRU for 0."""
        self.check_blocks(trainable_blocks)
        vectors = word_vectors(self.embedding, _tokens(self.tokenizer, texts, self.noise if self.training else None))
        return vectors if trainable_blocks else states(self.gru, vectors)

    def tail(self, hidden: Features, trainable_blocks: int) -> Features:
        """See `Backbone`."""
        self.check_blocks(trainable_blocks)
        return states(self.gru, hidden) if trainable_blocks else hidden

    def tail_modules(self, trainable_blocks: int) -> list[nn.Module]:
        """See `Backbone`."""
        return [self.gru] if trainable_blocks else []


def load_gru(source: WeightsSource, given: Config | None = None) -> GRUBackbone:  # noqa: ARG001 - the interface of loaders
    """Build the backbone: there are no pretrained weights."""
    return GRUBackbone(given)


def _tokens(tokenizer: HashingTokenizer, texts: Sequence[str], noise: random.Random | None) -> list[list[tuple[int, ...]]]:
    """Buckets of each word of each text, misspelt or dropped at random if `noise` is given."""
    if noise is None:
        return [tokenizer(text) for text in texts]
    return [tokenizer.encode_words(noisy(words(text), noise, misspelt=MISSPELT, dropped=DROPPED)) for text in texts]


def word_vectors(embedding: nn.EmbeddingBag, tokens: Sequence[Sequence[tuple[int, ...]]]) -> Features:
    """The mean over the buckets of each word. Shape: n texts of at least one word → (n, longest, width); no text gives (0, 1, width)."""
    if not tokens:
        return Features(
            embedding.weight.new_zeros((0, 1, embedding.embedding_dim)),
            torch.zeros((0, 1), dtype=torch.bool, device=embedding.weight.device),
        )
    lengths = torch.tensor([len(found) for found in tokens])
    flat = [ids for found in tokens for ids in found]
    offsets = torch.tensor([0, *(len(ids) for ids in flat[:-1])]).cumsum(0)
    device = embedding.weight.device
    buckets = torch.tensor([bucket for ids in flat for bucket in ids])
    vectors = embedding(buckets.to(device), offsets.to(device))  # (all words, width)
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    # Padding all texts in one copy: one by one, each would be a node of the gradient's graph.
    padded = vectors.new_zeros((mask.numel(), vectors.shape[1])).index_copy(0, mask.flatten().nonzero()[:, 0].to(device), vectors)
    return Features(padded.view(*mask.shape, -1), mask.to(device))


def states(gru: nn.GRU, vectors: Features) -> Features:
    """Hidden states at each word, forward then backward. Shape: (n, longest, width) → (n, longest, 2 * width)."""
    if not len(vectors.values):
        return Features(vectors.values.new_zeros((0, 1, 2 * gru.hidden_size)), vectors.mask)
    with torch.autocast(
        vectors.values.device.type, enabled=False
    ):  # the recurrent part is small and loses more from rounding than it gains
        packed = pack_padded_sequence(vectors.values.float(), vectors.mask.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False)
        values, _ = pad_packed_sequence(gru(packed)[0], batch_first=True, total_length=vectors.mask.shape[1])
    return Features(values, vectors.mask)
