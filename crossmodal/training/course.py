"""What a training is handed besides the model and the plan."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor

from crossmodal.training.plan import Validation

Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class Course(Generic[Batch]):
    """Batches, a loss and a way to measure.

    Attributes:
        steps_per_epoch: batches in an epoch, of this process.
        batches: the batches of epoch 0, 1, ... from the given number on: `batches(epoch, start)`, exactly `steps_per_epoch - start` of
            them. What is random in them is drawn from (seed, epoch, number), or from `generators`, lazily, one batch at a time.
        loss_of: a batch's loss. With several processes, the module that `distributed.shared` made.
        validate: the epoch's figures; called with the model in evaluation mode, in the first process only.
        before_epoch: called with the epoch, from 0, before its first batch and when a run goes on within it (to freeze or thaw layers).
        generators: those whose state changes from step to step, by name; torch's own are kept anyway.
    """

    steps_per_epoch: int
    batches: Callable[[int, int], Iterable[Batch]]
    loss_of: Callable[[Batch], Tensor]
    validate: Callable[[], Validation]
    before_epoch: Callable[[int], None] = lambda _epoch: None
    generators: Mapping[str, torch.Generator] = field(default_factory=dict)
