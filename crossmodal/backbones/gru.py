"""Words to a vector: hashed embeddings, a GRU (Cho et al. 2014) over the words, and the largest value each feature reaches."""

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from crossmodal.text.cleaning import words
from crossmodal.text.noise import noisy
from crossmodal.text.tokenizer import PADDING, HashingTokenizer


class GRUText(nn.Module):
    """Texts to features.

    A word is the mean of its buckets' vectors (its own and its n-grams'). In training, words are misspelt or left out now and then, so that
    the network does not lean on any one of them.

    Args:
        tokenizer: words to buckets.
        width: length of a word's vector; the GRU runs both ways with `width` features each.
        out_features: length of the answer.
    """

    MISSPELT, DROPPED = 0.1, 0.05

    def __init__(self, tokenizer: HashingTokenizer, *, width: int, out_features: int) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.embedding = nn.EmbeddingBag(tokenizer.vocab_size, width, mode="mean", padding_idx=PADDING)
        self.gru = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.projection = nn.Linear(2 * width, out_features)
        self.noise = random.Random(0)

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Features of each text. Shape: (len(texts), out_features) float32; no text gives (0, out_features)."""
        if not texts:
            return self.projection.weight.new_zeros((0, self.projection.out_features))
        tokens = [self._tokens(text) for text in texts]
        lengths = torch.tensor([len(found) for found in tokens])
        flat = [ids for found in tokens for ids in found]
        offsets = torch.tensor([0, *(len(ids) for ids in flat[:-1])]).cumsum(0)
        vectors = self.embedding(torch.tensor([bucket for ids in flat for bucket in ids]), offsets)  # (all words, width)
        padded = nn.utils.rnn.pad_sequence(list(vectors.split(lengths.tolist())), batch_first=True)  # (n, longest, width)
        packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, padding_value=float("-inf"))
        projected: Tensor = self.projection(states.amax(dim=1))
        return projected

    def _tokens(self, text: str) -> list[tuple[int, ...]]:
        if not self.training:
            return self.tokenizer(text)
        return self.tokenizer.encode_words(noisy(words(text), self.noise, misspelt=self.MISSPELT, dropped=self.DROPPED))
