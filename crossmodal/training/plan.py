"""Settings, task and results of a training."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """The results of one epoch.

    Attributes:
        epoch: from 1.
        loss: mean over the batches of the epoch.
        score: the validation score; higher is better.
        recall_at_1: validation recall@1, in [0, 1], for display.
        seconds: wall time since the start, without interruptions.
    """

    epoch: int
    loss: float
    score: float
    recall_at_1: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Validation:
    """The results of a validation.

    Attributes:
        score: selects the best epoch; higher is better (for instance the recall sum or the mean reciprocal rank).
        standard_error: of the score; epochs within it of the best count as equal. 0.0 compares the scores alone.
        recall_at_1: in [0, 1], for display.
        figures: further metrics for the history.
    """

    score: float
    standard_error: float
    recall_at_1: float
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Hyper-parameters of the training loop.

    Attributes:
        max_epochs: maximum number of epochs; the learning rate schedule spans all of them.
        learning_rate: peak of the schedule; a parameter group may have its own.
        patience: epochs without a better score before stopping, counted after the peak of the learning rate.
        weight_decay: of AdamW (Loshchilov and Hutter 2019).
        max_gradient_norm: gradients are clipped to this norm.
        bf16: compute in bfloat16 where the operation supports it (`torch.autocast`).
        schedule: one of `crossmodal.training.optim.SCHEDULES`.
        warm_up: share of all steps, in [0, 1], in which the rate rises from almost 0 (`one_cycle` always uses a quarter).
        accumulation: batches whose gradients are averaged for one optimizer step. A loss that is a mean over pairs is then as with one
            large batch. A contrastive loss is not: each pair sees only the negatives of its own small batch.
        average_decay: decay of the exponential moving average of the weights, in [0, 1); 0.0 disables it. The average is validated and
            saved in place of the weights.
        save_every_epochs: also save the weights of every n-th epoch under its number; 0 saves the last and the best only.
        save_every_steps: batches between two saved states; 0 saves after each epoch only.
        batch_size: pairs per batch, for the error message when memory runs out; 0 if unknown.
    """

    max_epochs: int
    learning_rate: float
    patience: int
    weight_decay: float = 1e-2
    max_gradient_norm: float = 1.0
    bf16: bool = False
    schedule: str = "one_cycle"
    warm_up: float = 0.05
    accumulation: int = 1
    average_decay: float = 0.0
    save_every_epochs: int = 0
    save_every_steps: int = 0
    batch_size: int = 0

    def updates(self, steps_per_epoch: int) -> int:
        """Optimizer steps per epoch; the last may cover fewer batches."""
        return -(-steps_per_epoch // self.accumulation)


Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class TrainingTask(Generic[Batch]):
    """What the training loop runs: batches, a loss and a validation.

    Attributes:
        steps_per_epoch: batches per epoch.
        batches: `batches(epoch, start)` yields the batches of an epoch, counted from 0, from number `start` on: exactly
            `steps_per_epoch - start`. Random numbers are drawn from (seed, epoch, number), or lazily from `generators`.
        loss_of: the loss of a batch, a scalar.
        validate: called after each epoch with the model in evaluation mode.
        before_epoch: called with the epoch, from 0, before its first batch and when a run is resumed within it (to freeze layers).
        generators: generators whose state changes between steps, by name; torch's own are always saved.
    """

    steps_per_epoch: int
    batches: Callable[[int, int], Iterable[Batch]]
    loss_of: Callable[[Batch], Tensor]
    validate: Callable[[], Validation]
    before_epoch: Callable[[int], None] = lambda _epoch: None
    generators: Mapping[str, torch.Generator] = field(default_factory=dict)
