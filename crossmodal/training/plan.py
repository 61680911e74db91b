"""Settings and progress values of a training run."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """What one epoch came to.

    Attributes:
        epoch: from 1.
        loss: mean over the epoch's batches.
        score: the validation figure that decides, higher is better.
        recall_at_1: validation recall@1, in [0, 1], for people to watch.
        seconds: wall time since training began, interruptions left out.
    """

    epoch: int
    loss: float
    score: float
    recall_at_1: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Validation:
    """What a validation measured.

    Attributes:
        score: the figure that decides which epoch is best, higher is better (the recall sum, the mean reciprocal rank, ...).
        standard_error: of the score; epochs within it of the best cannot be told apart. 0.0 decides by the score alone.
        recall_at_1: in [0, 1], shown to people.
        figures: whatever else was measured, for the history.
    """

    score: float
    standard_error: float
    recall_at_1: float
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How to train.

    Attributes:
        max_epochs: epochs at most; the learning rate's schedule is laid out for all of them.
        learning_rate: the highest that the schedule reaches; a parameter group may have its own.
        patience: epochs without a better validation figure before stopping, counted only after the rate's peak.
        weight_decay: of AdamW (Loshchilov and Hutter 2019).
        max_gradient_norm: gradients are scaled down to this length.
        bf16: compute in bfloat16 where the operation allows (`torch.autocast`).
        schedule: one of `crossmodal.training.optim.SCHEDULES`.
        warm_up: share of all steps in which the rate rises from almost 0 (`one_cycle` has its own quarter).
        accumulation: batches whose gradients are averaged for one step of the optimizer. What is a mean over pairs is then as with one
            large batch. A contrastive loss is not: a pair meets only the negatives of its own small batch.
        average_decay: how slowly the average of the weights follows them, in [0, 1); 0.0 takes no average. The average is what is
            validated and kept.
        save_every_epochs: weights are also kept under the epoch's number; 0 keeps the last and the best only.
        save_every_steps: batches between two states from which a killed run goes on; 0 saves after each epoch only.
        batch_size: pairs in a batch, for what is said when memory runs out; 0 when not known.
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
        """Steps of the optimizer in one epoch; the last of them may stand for fewer batches."""
        return -(-steps_per_epoch // self.accumulation)


Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class TrainingTask(Generic[Batch]):
    """Batches, a loss and a way to measure.

    Attributes:
        steps_per_epoch: batches in an epoch.
        batches: the batches of epoch 0, 1, ... from the given number on: `batches(epoch, start)`, exactly `steps_per_epoch - start` of
            them. What is random in them is drawn from (seed, epoch, number), or from `generators`, lazily, one batch at a time.
        loss_of: a batch's loss.
        validate: the epoch's figures; called with the model in evaluation mode.
        before_epoch: called with the epoch, from 0, before its first batch and when a run goes on within it (to freeze or thaw layers).
        generators: those whose state changes from step to step, by name; torch's own are kept anyway.
    """

    steps_per_epoch: int
    batches: Callable[[int, int], Iterable[Batch]]
    loss_of: Callable[[Batch], Tensor]
    validate: Callable[[], Validation]
    before_epoch: Callable[[int], None] = lambda _epoch: None
    generators: Mapping[str, torch.Generator] = field(default_factory=dict)
