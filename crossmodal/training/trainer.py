"""The training loop. It knows no model and no data: it is handed batches, a loss and a way to measure, and keeps the best weights."""

import copy
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from crossmodal.errors import TrainingError
from crossmodal.progress import check_stop

Batch = TypeVar("Batch")

_RISE = 0.2501  # a quarter of the steps, but of no whole number exactly one: torch's schedule would then divide by nothing


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """What one epoch came to.

    Attributes:
        epoch: from 1.
        loss: mean over the epoch's batches.
        score: the validation figure that decides, higher is better.
        recall_at_1: validation recall@1, in [0, 1], for people to watch.
        seconds: wall time since training began.
    """

    epoch: int
    loss: float
    score: float
    recall_at_1: float
    seconds: float


class Validation(NamedTuple):
    """What a validation measured: the figure that decides which epoch is best, its standard error, and the one shown to people."""

    score: float
    standard_error: float
    recall_at_1: float


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How to train.

    Attributes:
        max_epochs: epochs at most; the learning rate's cycle is laid out for all of them.
        learning_rate: peak of the one cycle (Smith and Topin 2018, "Super-Convergence").
        patience: epochs without a better validation figure before stopping, counted only after the rate's peak.
        max_gradient_norm: gradients are scaled down to this length.
        bf16: compute in bfloat16 where the operation allows (`torch.autocast`).
    """

    max_epochs: int
    learning_rate: float
    patience: int
    weight_decay: float = 1e-2
    max_gradient_norm: float = 1.0
    bf16: bool = False


def fit(
    model: nn.Module,
    plan: TrainingPlan,
    *,
    steps_per_epoch: int,
    batches: Callable[[int], Iterable[Batch]],
    loss_of: Callable[[Batch], Tensor],
    validate: Callable[[], Validation],
    on_epoch: Callable[[EpochFigures], None],
    on_step: Callable[[int, int], None],
    stop: threading.Event | None = None,
) -> list[EpochFigures]:
    """Train `model` in place and leave it with the weights of its best epoch.

    Args:
        batches: the batches of epoch 0, 1, ...; exactly `steps_per_epoch` of them.
        validate: the epoch's figures; called with the model in evaluation mode.
        on_step: called with (steps done, steps in all).

    Raises:
        Stopped: `stop` was set; the model then has no agreed weights.
        TrainingError: the loss or the validation figure is not finite; says where.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True)
    total_steps = plan.max_epochs * steps_per_epoch
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.learning_rate, total_steps=total_steps, pct_start=_RISE)
    history: list[EpochFigures] = []
    best: tuple[float, dict[str, Tensor]] = (-math.inf, {})
    started = time.monotonic()
    for epoch in range(plan.max_epochs):
        model.train()
        losses = []
        for number, batch in enumerate(batches(epoch)):
            check_stop(stop, "Training")
            with torch.autocast("cpu", torch.bfloat16, enabled=plan.bf16):
                loss = loss_of(batch)
            if not torch.isfinite(loss):
                raise _not_finite("loss", f"epoch {epoch + 1}, batch {number + 1}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, plan.max_gradient_norm)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            on_step(epoch * steps_per_epoch + number + 1, total_steps)
        with evaluating(model):
            found = validate()
        if not math.isfinite(found.score):
            raise _not_finite("validation figure", f"epoch {epoch + 1}")
        seconds = time.monotonic() - started
        history.append(EpochFigures(epoch + 1, sum(losses) / len(losses), found.score, found.recall_at_1, seconds))
        on_epoch(history[-1])
        # Within one standard error of the best, the later epoch is kept: it has seen more, at a smaller rate, and a small validation
        # set cannot tell them apart (the one-standard-error rule, Breiman et al. 1984, "Classification and Regression Trees").
        if found.score >= best[0] - found.standard_error:
            best = (max(best[0], found.score), copy.deepcopy(model.state_dict()))
        elif _waited(history, plan):
            break
    model.load_state_dict(best[1])
    return history


def _waited(history: list[EpochFigures], plan: TrainingPlan) -> bool:
    """Whether `patience` epochs after the rate's peak brought nothing better."""
    figures = [entry.score for entry in history]
    latest_best = max(index for index, figure in enumerate(figures) if figure == max(figures))
    return len(figures) - 1 - max(latest_best, plan.max_epochs // 4) >= plan.patience


def _not_finite(what: str, where: str) -> TrainingError:
    return TrainingError(
        "training_failed",
        f"Training stopped: the {what} was not a finite number in {where}.",
        remedy="The model in use was kept. Lower CROSSMODAL_LEARNING_RATE and train again.",
    )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode without gradients, and back in its former mode afterwards."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)
