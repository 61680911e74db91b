"""Which pictures meet in a batch, and which of their captions are read: fixed by a seed and the number of the epoch alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from crossmodal.errors import TrainingError
from crossmodal.training.seeds import generator_for


@dataclass(frozen=True, slots=True)
class Drawn:
    """One batch, or one process's share of it.

    Attributes:
        pictures: (n,) int64, indices of pictures.
        captions: (n, captions per picture) int64, numbers of the captions among their picture's own.
    """

    pictures: Tensor
    captions: Tensor


class BatchSampler:
    """Whole batches of pictures, each picture at most once an epoch, with some captions of each.

    Pictures of one group (equal captions) come into different batches as long as a group has no more pictures than there are batches: the
    pictures lie group by group, groups in random order, and are dealt to the batches one by one like cards. What does not fill a batch
    is left out of the epoch, other pictures each time.

    Args:
        groups: one number a picture.
        caption_counts: how many captions each picture has, 1 or more.
        batch_size: pictures in a batch, of all processes together.
        captions_per_picture: drawn without repetition while a picture has so many; then from the first again.

    Raises:
        TrainingError: fewer than two pictures, or a picture without a caption; batches of one picture have no negatives.
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

    def epoch(self, epoch: int, *, start: int = 0, rank: int = 0, processes: int = 1) -> Iterator[Drawn]:
        """The batches of an epoch from number `start` on.

        With several processes each gets its own part of the same batches, `batch_size // processes` pictures, so that one process with the
        whole batch sees the same pictures. (A remainder of the division is left out.)
        """
        generator = generator_for(self._seed, "batches", epoch)
        pictures = self._dealt(generator)  # (steps, batch_size)
        captions = self._captions(generator)  # (all pictures, captions per picture)
        part = self.batch_size // processes
        for batch in pictures[start:, rank * part : (rank + 1) * part]:
            yield Drawn(batch, captions[batch])

    def _dealt(self, generator: torch.Generator) -> Tensor:
        used = torch.randperm(len(self._groups), generator=generator)[: self.steps_per_epoch * self.batch_size]
        # A random number for every group, and pictures sorted by it: equal groups lie together, in random order of groups.
        names, group_of = torch.unique(self._groups[used], return_inverse=True)
        by_group = used[torch.randperm(len(names), generator=generator)[group_of].argsort(stable=True)]
        dealt = by_group.view(self.batch_size, self.steps_per_epoch).T
        dealt = dealt[torch.randperm(self.steps_per_epoch, generator=generator)]
        return dealt[:, torch.randperm(self.batch_size, generator=generator)]

    def _captions(self, generator: torch.Generator) -> Tensor:
        lots = torch.rand(len(self._counts), int(self._counts.max()), generator=generator)
        lots[torch.arange(lots.shape[1]) >= self._counts[:, None]] = 2.0  # captions that are not there come last
        places = torch.arange(self._per_picture) % self._counts[:, None]
        return lots.argsort(dim=1).gather(1, places)
