"""The loop: it keeps the best, stops when it should, and says what went wrong."""

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.optimizer import register_optimizer_step_pre_hook

from crossmodal.errors import TrainingError
from crossmodal.progress import Stopped
from crossmodal.training.optim import plain_adamw
from crossmodal.training.plan import EpochFigures, TrainingPlan, TrainingTask, Validation
from crossmodal.training.trainer import evaluating, train

STEPS = 3
PLAN = TrainingPlan(max_epochs=4, learning_rate=0.05, patience=10)


@dataclass
class Lesson:
    """A line to be learned (y = 3x - 1), with scores given from outside, and everything that happened."""

    scores: list[float] = field(default_factory=lambda: [0.1, 0.2, 0.3, 0.4])
    standard_error: float = 0.0
    factor: Callable[[int, int], float] = lambda epoch, batch: 1.0
    model: nn.Module = field(default_factory=lambda: nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.0)))
    weights: list[dict[str, Tensor]] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)
    epochs: list[EpochFigures] = field(default_factory=list)
    autocast: set[bool] = field(default_factory=set)

    def run(self, plan: TrainingPlan = PLAN, stop: threading.Event | None = None, seed: int = 0) -> list[EpochFigures]:
        generator = torch.Generator().manual_seed(seed)

        def batches(epoch: int) -> Iterator[tuple[Tensor, float]]:
            assert self.model.training
            for batch in range(STEPS):
                yield torch.rand(16, 1, generator=generator), self.factor(epoch, batch)

        def loss_of(batch: tuple[Tensor, float]) -> Tensor:
            x, factor = batch
            self.autocast.add(torch.is_autocast_enabled("cpu"))
            return functional.mse_loss(self.model(x).float(), 3 * x - 1) * factor

        def validate() -> Validation:
            assert not self.model.training
            assert torch.is_inference_mode_enabled()
            self.weights.append({name: value.clone() for name, value in self.model.state_dict().items()})
            return Validation(self.scores[len(self.weights) - 1], self.standard_error, 0.5)

        return train(
            self.model,
            plan,
            TrainingTask(STEPS, lambda epoch, _start: batches(epoch), loss_of, validate),
            plain_adamw(self.model, plan),
            on_epoch=self.epochs.append,
            on_step=lambda done, total: self.steps.append((done, total)),
            stop=stop,
        )

    def ended_with_epoch(self) -> list[int]:
        """The epochs, from 1, whose weights the model now has."""
        now = self.model.state_dict()
        return [i for i, then in enumerate(self.weights, 1) if all(torch.equal(then[name], now[name]) for name in now)]


@pytest.mark.parametrize(
    ("scores", "kept"),
    [([0.1, 0.9, 0.3, 0.2], 2), ([0.9, 0.1, 0.2, 0.3], 1), ([0.1, 0.2, 0.3, 0.4], 4), ([0.5, 0.7, 0.7, 0.6], 3), ([0.0] * 4, 4)],
)
def test_the_best_weights_are_kept_and_of_equals_the_later(scores: list[float], kept: int) -> None:
    lesson = Lesson(scores)
    assert [entry.score for entry in lesson.run()] == scores
    assert lesson.ended_with_epoch() == [kept]


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ([0.5, 0.9, 0.85, 0.2], 3),  # within one standard error of the best
        ([0.5, 0.9, 0.79, 0.79], 2),  # outside
        ([0.9, 0.85, 0.79, 0.75], 2),  # of the best of all, not of the last one kept
    ],
)
def test_of_epochs_that_cannot_be_told_apart_the_last_is_kept(scores: list[float], kept: int) -> None:
    lesson = Lesson(scores, standard_error=0.1)
    lesson.run()
    assert lesson.ended_with_epoch() == [kept]


@pytest.mark.parametrize("epochs", range(1, 9))
def test_any_number_of_steps_has_a_schedule(epochs: int) -> None:
    generator, model = torch.Generator().manual_seed(0), nn.Linear(1, 1)
    plan = replace(PLAN, max_epochs=epochs)
    task = TrainingTask(
        1,
        lambda _epoch, _start: [torch.rand(4, 1, generator=generator)],
        lambda batch: model(batch).square().mean(),
        lambda: Validation(0.5, 0.0, 0.5),
    )
    history = train(model, plan, task, plain_adamw(model, plan))
    assert len(history) == epochs


def test_it_learns_and_tells() -> None:
    lesson = Lesson([0.0] * 40)
    history = lesson.run(replace(PLAN, max_epochs=40, patience=99))
    assert history == lesson.epochs
    assert [entry.epoch for entry in history] == list(range(1, 41))
    assert history[-1].loss < history[0].loss / 4
    assert all(entry.recall_at_1 == 0.5 for entry in history)
    assert lesson.steps == [(done, 40 * STEPS) for done in range(1, 40 * STEPS + 1)]
    seconds = [entry.seconds for entry in history]
    assert seconds == sorted(seconds)


def test_patience_counts_from_the_best_epoch() -> None:
    lesson = Lesson([0.1, 0.2, 0.3, 0.9] + [0.5] * 8)
    assert len(lesson.run(replace(PLAN, max_epochs=12, patience=3))) == 4 + 3
    assert lesson.ended_with_epoch() == [4]


def test_patience_is_not_lost_while_the_rate_still_rises() -> None:
    lesson = Lesson([0.9] + [0.5] * 39)
    assert len(lesson.run(replace(PLAN, max_epochs=40, patience=2))) > 5
    assert lesson.ended_with_epoch() == [1]


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize(("epoch", "batch"), [(0, 0), (1, 2)])
def test_a_loss_that_is_no_number_names_its_batch(broken: float, epoch: int, batch: int) -> None:
    lesson = Lesson(factor=lambda e, b: broken if (e, b) == (epoch, batch) else 1.0)
    with pytest.raises(TrainingError, match=f"loss was not a finite number in epoch {epoch + 1}, batch {batch + 1}") as caught:
        lesson.run()
    assert caught.value.code == "training_failed"
    assert caught.value.remedy
    assert len(lesson.steps) == epoch * STEPS + batch
    assert all(value.isfinite().all() for value in lesson.model.state_dict().values())


def test_a_score_that_is_no_number_is_an_error_too() -> None:
    with pytest.raises(TrainingError, match="validation figure was not a finite number in epoch 2"):
        Lesson([0.1, math.nan]).run()


def test_stop_ends_it_before_the_next_step() -> None:
    stop = threading.Event()
    lesson = Lesson()
    lesson.factor = lambda epoch, batch: stop.set() or 1.0 if (epoch, batch) == (1, 1) else 1.0
    with pytest.raises(Stopped, match="Training was stopped"):
        lesson.run(stop=stop)
    assert len(lesson.steps) == STEPS + 1
    assert len(lesson.epochs) == 1


def test_same_seed_same_numbers() -> None:
    def run(seed: int) -> tuple[list[EpochFigures], dict[str, Tensor]]:
        torch.manual_seed(5)
        lesson = Lesson()
        history = [replace(entry, seconds=0.0) for entry in lesson.run(seed=seed)]
        return history, lesson.model.state_dict()

    (first, weights), (second, again), (other, _) = run(1), run(1), run(2)
    assert first == second != other
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_what_is_frozen_stays() -> None:
    lesson = Lesson()
    layer = lesson.model[0]
    layer.bias.requires_grad_(False)
    before = layer.bias.clone()
    lesson.run(replace(PLAN, weight_decay=0.5))
    assert torch.equal(layer.bias, before)


def test_gradients_are_clipped() -> None:
    norms = []

    def look(optimizer: torch.optim.Optimizer, *_: object) -> None:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        norms.append(torch.stack([parameter.grad.norm() for parameter in parameters]).norm().item())

    handle = register_optimizer_step_pre_hook(look)
    try:
        Lesson(factor=lambda epoch, batch: 1e6 if batch else 1e-6).run(replace(PLAN, max_gradient_norm=0.5))
    finally:
        handle.remove()
    assert max(norms) == pytest.approx(0.5, rel=1e-3)
    assert min(norms) < 1e-3  # what is small stays small


@pytest.mark.parametrize("bf16", [False, True])
def test_bfloat16_is_used_when_planned(bf16: bool) -> None:
    lesson = Lesson()
    lesson.run(replace(PLAN, bf16=bf16))
    assert lesson.autocast == {bf16}
    assert all(value.dtype == torch.float32 for value in lesson.model.state_dict().values())


@pytest.mark.parametrize("training", [False, True])
def test_evaluating_gives_the_former_mode_back(training: bool) -> None:
    model = nn.Linear(1, 1).train(training)

    def fail() -> None:
        with evaluating(model):
            assert not model.training
            assert not model(torch.ones(1, 1)).requires_grad
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert model.training is training
    assert model(torch.ones(1, 1)).requires_grad
