"""Titles as labels: which words a picture's titles use, for a network to predict while it learns.

Predicting the words of a text from its picture teaches a picture network what words look like, one by one, long before whole titles can be
told apart (Joulin et al. 2016, "Learning Visual Features from Large Weakly Supervised Data").
"""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from crossmodal.text.cleaning import title_key


def word_targets(captions: Sequence[tuple[str, ...]], *, min_count: int = 3, max_words: int = 2_000) -> Tensor:
    """Which of the common words each picture's texts use, each row spread evenly over its words.

    Words used by fewer than `min_count` pictures or by more than half of them say nothing about looks; of the rest the most frequent
    `max_words` are kept.

    Shape: (n, words) float32; a row sums to 1, or to 0 when none of its words is common. No common word gives (n, 0).
    """
    said = [frozenset().union(*(title_key(text) for text in texts)) for texts in captions]
    counts = Counter(word for found in said for word in found)
    common = [word for word, count in counts.most_common() if min_count <= count <= len(said) / 2][:max_words]
    column = {word: i for i, word in enumerate(sorted(common))}
    targets = torch.zeros(len(said), len(column))
    for row, found in enumerate(said):
        for word in found & column.keys():
            targets[row, column[word]] = 1.0
    return targets / targets.sum(dim=1, keepdim=True).clamp(min=1.0)


def word_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy between predicted and used words; pictures without a common word count nothing.

    Shape: logits and targets (n, words) float32; returns a scalar, 0.0 when no picture has a target.
    """
    counted = targets.sum(dim=1) > 0
    if not bool(counted.any()):
        return logits.sum() * 0.0
    return functional.cross_entropy(logits[counted], targets[counted])
