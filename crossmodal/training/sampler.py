"""Batches of pictures and captions, and their augmentation, determined by a seed and the epoch alone."""

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from crossmodal.errors import TrainingError
from crossmodal.text.cleaning import title_key


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, numpy and torch, including those of every GPU."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries that draw from the global generator are meant
    torch.manual_seed(seed)


def derived_seed(seed: int, *parts: int | str) -> int:
    """A seed in [0, 2⁶³) for an epoch, step, view, ...: equal in every process and on every machine.

    Numbers drawn from `(seed, epoch, step)` need no saved state: a resumed run draws them again.
    """
    text = "/".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator_for(seed: int, *parts: int | str) -> torch.Generator:
    """A new generator seeded with `derived_seed`."""
    return torch.Generator().manual_seed(derived_seed(seed, *parts))


@dataclass(frozen=True, slots=True)
class Drawn:
    """The indices of one batch.

    Attributes:
        pictures: (n,) int64, indices of pictures.
        captions: (n, captions per picture) int64, indices among the captions of each picture.
    """

    pictures: Tensor
    captions: Tensor


class BatchSampler:
    """Full batches of pictures with captions; each picture occurs at most once per epoch.

    Pictures of one group (equal captions) are spread over different batches, as long as the group is not larger than the number of batches:
    pictures are ordered by group, groups in random order, and distributed to the batches in turn. A remainder that does not fill a batch
    is left out; it is drawn anew in each epoch.

    Args:
        groups: group number of each picture.
        caption_counts: number of captions of each picture, at least 1.
        batch_size: pictures per batch.
        captions_per_picture: captions per picture and batch, drawn without repetition as long as the picture has enough.

    Raises:
        TrainingError: there are fewer than two pictures, or a picture has no caption.
    """

    def __init__(
        self,
        groups: Sequence[int],
        caption_counts: Sequence[int],
        *,
        batch_size: int,
        captions_per_picture: int = 1,
        seed: int = 0,
    ) -> None:
        if len(groups) != len(caption_counts) or captions_per_picture < 1:
            raise ValueError(
                f"{len(groups)} groups, {len(caption_counts)} caption counts, {captions_per_picture} captions a picture"
            )
        self.batch_size = min(batch_size, len(groups))
        if self.batch_size < 2:
            raise TrainingError(
                "training_failed",
                f"{len(groups)} pictures in batches of {batch_size} are too few: a picture is learned beside others.",
                remedy="Give at least two pictures with captions, and a batch size of two or more.",
            )
        if min(caption_counts) < 1:
            raise TrainingError(
                "training_failed",
                f"Picture {list(caption_counts).index(min(caption_counts)) + 1} has no caption.",
                remedy="Give every picture a caption, or leave it out.",
            )
        self._groups, self._counts = torch.tensor(groups), torch.tensor(caption_counts)
        self._per_picture, self._seed = captions_per_picture, seed
        self.steps_per_epoch = len(groups) // self.batch_size

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[Drawn]:
        """The batches of an epoch, counted from 0, from number `start` on."""
        generator = generator_for(self._seed, "batches", epoch)
        pictures = self._deal(generator)  # (steps, batch_size)
        captions = self._captions(generator)  # (all pictures, captions per picture)
        for batch in pictures[start:]:
            yield Drawn(batch, captions[batch])

    def _deal(self, generator: torch.Generator) -> Tensor:
        used = torch.randperm(len(self._groups), generator=generator)[: self.steps_per_epoch * self.batch_size]
        # Sort the pictures by a random number of their group: groups are contiguous and in random order.
        names, group_of = torch.unique(self._groups[used], return_inverse=True)
        by_group = used[torch.randperm(len(names), generator=generator)[group_of].argsort(stable=True)]
        dealt = by_group.view(self.batch_size, self.steps_per_epoch).T
        dealt = dealt[torch.randperm(self.steps_per_epoch, generator=generator)]
        return dealt[:, torch.randperm(self.batch_size, generator=generator)]

    def _captions(self, generator: torch.Generator) -> Tensor:
        keys = torch.rand(len(self._counts), int(self._counts.max()), generator=generator)
        keys[torch.arange(keys.shape[1]) >= self._counts[:, None]] = 2.0  # missing captions are sorted last
        ranks = torch.arange(self._per_picture) % self._counts[:, None]
        return keys.argsort(dim=1).gather(1, ranks)


class SequentialSampler:
    """Full batches of pictures in random order with one random caption each, all drawn in sequence from one generator.

    Simpler than `BatchSampler`, for a training that is not resumed: its epochs must be requested in order.

    Args:
        caption_counts: number of captions of each picture, at least 1.
        batch_size: pictures per batch, at most; there is at least one batch.
    """

    def __init__(self, caption_counts: Sequence[int], *, batch_size: int, generator: torch.Generator) -> None:
        self.batch_size = min(batch_size, len(caption_counts))
        self._counts, self._generator = torch.tensor(caption_counts), generator
        self.steps_per_epoch = len(caption_counts) // self.batch_size

    def epoch(self, _epoch: int, *, start: int = 0) -> Iterator[Drawn]:
        """The batches of the next epoch. A batch is drawn when it is requested, so `start` must be 0."""
        if start:
            raise ValueError("batches that are drawn in sequence cannot be resumed")
        order = torch.randperm(len(self._counts), generator=self._generator)
        for batch in order[: self.steps_per_epoch * self.batch_size].view(self.steps_per_epoch, self.batch_size):
            picks = torch.rand(len(batch), generator=self._generator).double() * self._counts[batch]
            yield Drawn(batch, picks.long()[:, None])


def vary_pictures(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Augment pictures: mirror each with probability 1/2, resize to `size` pixels, and shift all by up to a sixteenth of that.

    Shape: (n, 3, side, side) float32 → (n, 3, size, size) float32, channels last.
    """
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    if size != images.shape[-1]:
        images = functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
    reach = size // 16
    down, right = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
    return images.roll((down, right), dims=(2, 3)).contiguous(memory_format=torch.channels_last)


def word_targets(captions: Sequence[tuple[str, ...]], *, min_count: int = 3, max_words: int = 2_000) -> Tensor:
    """Distribution of each picture over the common words that its texts use, uniform over these words.

    Words of fewer than `min_count` pictures or of more than half of them are ignored; the `max_words` most frequent others count.

    Shape: (n, words) float32; a row sums to 1, or to 0 if it has no common word. Without common words: (n, 0).
    """
    used = [frozenset().union(*(title_key(text) for text in texts)) for texts in captions]
    counts = Counter(word for found in used for word in found)
    common = [word for word, count in counts.most_common() if min_count <= count <= len(used) / 2][:max_words]
    column = {word: i for i, word in enumerate(sorted(common))}
    targets = torch.zeros(len(used), len(column))
    for row, found in enumerate(used):
        for word in found & column.keys():
            targets[row, column[word]] = 1.0
    return targets / targets.sum(dim=1, keepdim=True).clamp(min=1.0)


def word_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy between predicted and used words over the pictures that have a common word.

    Shape: logits and targets (n, words) float32; returns a scalar, 0.0 if no picture has a target.
    """
    counted = targets.sum(dim=1) > 0
    if not bool(counted.any()):
        return logits.sum() * 0.0
    return functional.cross_entropy(logits[counted], targets[counted])
