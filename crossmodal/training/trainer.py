"""The training loop, independent of model and data: takes batches, a loss and a validation, and keeps the best weights."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from typing import Any, Generic

import torch
from torch import Tensor, nn

from crossmodal.errors import TrainingError
from crossmodal.progress import Stopped, check_stop
from crossmodal.training.callbacks import Events
from crossmodal.training.failures import Step, memory_errors_explained, not_finite
from crossmodal.training.optim import Updates
from crossmodal.training.plan import Batch, EpochFigures, TrainingPlan, TrainingTask
from crossmodal.training.run_dir import BEST, RunDir


class Run(Generic[Batch]):
    """The state of one training."""

    def __init__(
        self, model: nn.Module, plan: TrainingPlan, task: TrainingTask[Batch], updates: Updates, folder: RunDir | None
    ) -> None:
        self._model, self._plan, self._task, self._updates, self._folder = model, plan, task, updates, folder
        self._device = next(model.parameters()).device
        self._started = time.monotonic()
        self._unsaved = 0
        self._losses: list[float] = []
        self._random: dict[str, Tensor] = {}
        self._step = 0
        self._best_score, self._best_epoch = -math.inf, 0
        self._lines: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}
        self.history: list[EpochFigures] = []
        self.finished = False
        self.place = Step()

    def train_epoch(self, on_step: Callable[[int, int], None], stop: threading.Event | None) -> None:
        """Train on the remaining batches of the current epoch."""
        epoch, steps, plan = len(self.history), self._task.steps_per_epoch, self._plan
        self._model.train()
        self._task.before_epoch(epoch)
        batches = iter(self._task.batches(epoch, self._step))
        for number in range(self._step, steps):
            self.place.epoch, self.place.batch = epoch + 1, number + 1
            self._random = self._random_now()
            batch = next(batches)
            first = number - number % plan.accumulation
            group = min(plan.accumulation, steps - first)  # the last group of an epoch may be smaller
            if number == first:
                check_stop(stop, "Training")
                self._updates.begin()
            self._losses.append(self._train_batch(batch, group, is_last=number == first + group - 1))
            self._step = number + 1
            on_step(epoch * steps + self._step, plan.max_epochs * steps)
            self._unsaved += 1
            if 0 < plan.save_every_steps <= self._unsaved and number == first + group - 1 and self._step < steps:
                self._random = self._random_now()
                self.save()

    def _train_batch(self, batch: Batch, group: int, *, is_last: bool) -> float:
        """Accumulate the gradients of one batch; step the optimizer after the last one of a group. Returns the loss."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._plan.bf16):
            loss = self._task.loss_of(batch)
        value = loss.item()
        if not math.isfinite(value):
            raise not_finite("loss", str(self.place), self._kept())
        (loss / group).backward()  # type: ignore[no-untyped-call]
        if is_last and not self._updates.apply():
            raise not_finite("gradient", str(self.place), self._kept())
        return value

    def close_epoch(self, events: Events) -> None:
        """Validate, keep the weights unless earlier ones are clearly better, save, and decide whether to stop."""
        epoch = len(self.history) + 1
        self.place.batch = 0
        with self._averaged():
            with evaluating(self._model):
                validation = self._task.validate()
            if not math.isfinite(validation.score):
                raise not_finite("validation figure", f"epoch {epoch}", self._kept())
            # Within one standard error of the best, the later epoch is kept: it was trained longer, at a smaller rate, and a small
            # validation set cannot tell them apart (one-standard-error rule, Breiman et al. 1984, "Classification and Regression Trees").
            is_kept = validation.score >= self._best_score - validation.standard_error
            weights = {name: value.detach().clone() for name, value in self._model.state_dict().items()}
        rates = self._updates.rates
        self._updates.schedule.after_epoch(validation.score)
        loss = sum(self._losses) / len(self._losses)
        self.history.append(EpochFigures(epoch, loss, validation.score, validation.recall_at_1, self._seconds()))
        self._lines.append(asdict(self.history[-1]) | {"learning_rate": max(rates)} | dict(validation.figures))
        if is_kept:
            self.best, self._best_epoch, self._best_score = weights, epoch, max(self._best_score, validation.score)
        self.finished = epoch == self._plan.max_epochs or (not is_kept and self._out_of_patience())
        self._losses, self._step = [], 0
        self._random = self._random_now()
        self.save()  # first: the other files can be repaired from it
        if self._folder is not None:
            self._folder.append_line(self._lines[-1])
            self._keep_weights(weights)
        events.line(self._lines[-1])

    def _keep_weights(self, weights: dict[str, Tensor]) -> None:
        """Save the weights of the epoch that just ended, where it is the best or a numbered one."""
        assert self._folder is not None
        epoch, every = len(self.history), self._plan.save_every_epochs
        if self._best_epoch == epoch:
            self._folder.save_weights(BEST, weights, self._lines[-1])
        if every and epoch % every == 0:
            self._folder.save_weights(f"epoch-{epoch:04d}.pt", weights, self._lines[-1])

    def _out_of_patience(self) -> bool:
        """Whether the last `patience` epochs after the peak of the learning rate brought no better score."""
        figures = [entry.score for entry in self.history]
        latest_best = max(index for index, figure in enumerate(figures) if figure == max(figures))
        return len(figures) - 1 - max(latest_best, self._updates.schedule.peak_epoch) >= self._plan.patience

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _kept(self) -> str:
        if self._folder is None:
            return ""
        if not self._best_epoch:
            return f"No epoch was finished, so {self._folder.path} has no usable weights yet."
        return f"The weights of epoch {self._best_epoch} are kept in {self._folder.path / BEST}."

    def events(self) -> Events:
        """The TensorBoard writer of the run folder."""
        return Events(self._folder.path / "events" if self._folder is not None else None, done=len(self.history))

    def save(self) -> None:
        """Save the state of the training to the run folder, if there is one."""
        if self._folder is None:
            return
        self._unsaved = 0
        state = {
            "history": [asdict(entry) for entry in self.history],
            "lines": self._lines,
            "losses": self._losses,
            "step": self._step,
            "best": [self._best_epoch, self._best_score],
            "finished": self.finished,
            "seconds": self._seconds(),
            "model": self._model.state_dict(),
            "updates": self._updates.state_dict(),
            "random": self._random,
        }
        self._folder.save_state(state)

    def resume(self) -> None:
        """Continue from the last saved state of the run folder, if there is one."""
        if self._folder is None:
            return
        state = self._folder.load_state()
        if state is None:
            self._folder.rewrite_history([])
            return
        self.history = [EpochFigures(**entry) for entry in state["history"]]
        self._lines, self._losses, self._step = state["lines"], state["losses"], state["step"]
        (self._best_epoch, self._best_score), self.finished = state["best"], state["finished"]
        self._started = time.monotonic() - state["seconds"]
        self._model.load_state_dict(state["model"])
        self._updates.load_state_dict(state["updates"])
        self._folder.rewrite_history(self._lines)
        self._resume_best()
        self._set_random({name: _one_of(value) for name, value in state["random"].items()})

    def _resume_best(self) -> None:
        """Load the best weights; after a kill between two writes, their file is repaired first."""
        assert self._folder is not None
        if not self.history:  # stopped within the first epoch: no weights were saved yet
            return
        if self._step == 0:
            weights = self._weights()
            self._keep_weights(weights)
            if self._best_epoch == len(self.history):
                self.best = weights
                return
        self.best, line = self._folder.load_weights()
        if line.get("epoch") != self._best_epoch:
            raise TrainingError(
                "training_failed",
                f"{self._folder.path / BEST} is of epoch {line.get('epoch')}, but epoch {self._best_epoch} was the best.",
                remedy="Put the file of this run back, or begin a new run in another folder.",
            )

    def _weights(self) -> dict[str, Tensor]:
        """A copy of the weights, averaged if the plan says so."""
        with self._averaged():
            return {name: value.detach().clone() for name, value in self._model.state_dict().items()}

    def _averaged(self) -> AbstractContextManager[None]:
        average = self._updates.average
        return average.in_use() if average is not None else nullcontext()

    def _random_now(self) -> dict[str, Tensor]:
        """The state of every random generator."""
        states = {"torch": torch.get_rng_state()}
        if self._device.type != "cpu":
            states[self._device.type] = torch.get_device_module(self._device).get_rng_state()
        return states | {f"own {name}": generator.get_state() for name, generator in self._task.generators.items()}

    def _set_random(self, states: dict[str, Tensor]) -> None:
        torch.set_rng_state(states["torch"])
        if self._device.type in states:  # else the run was started on another device
            torch.get_device_module(self._device).set_rng_state(states[self._device.type])
        for name, generator in self._task.generators.items():
            generator.set_state(states[f"own {name}"])


def _one_of(value: Tensor | list[Tensor]) -> Tensor:
    """The state of a generator. Before version 0.2, a list with the state of each training process was saved."""
    return value[0] if isinstance(value, list) else value


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Inside the block, the model is in evaluation mode without gradients; its former mode is restored afterwards."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


def train(
    model: nn.Module,
    plan: TrainingPlan,
    task: TrainingTask[Batch],
    optimizer: torch.optim.Optimizer,
    *,
    folder: RunDir | None = None,
    on_epoch: Callable[[EpochFigures], None] = lambda _figures: None,
    on_step: Callable[[int, int], None] = lambda _done, _total: None,
    stop: threading.Event | None = None,
) -> list[EpochFigures]:
    """Train `model` in place and load the weights of the last epoch within one standard error of the best before it.

    With a standard error of 0.0 that is the best epoch, or the last of several equal ones.

    Args:
        model: contains all trained parameters, including those of the loss.
        optimizer: over all parameters that are ever trained.
        folder: run folder; an interrupted run in it is resumed to the same numbers.
        on_epoch: called after each epoch.
        on_step: called with (batches done, total batches).

    Returns:
        The figures of each epoch.

    Raises:
        Stopped: `stop` was set. With a folder, the run can be resumed from this batch; without one, the weights are the last, not the best.
        TrainingError: the loss, a gradient or the score is not finite, or memory ran out; the message says where. The model keeps the
            weights from before that batch, and the folder the best and the last saved ones.
        CheckpointError, StoreError: the folder cannot be read or written.
    """
    run = Run(model, plan, task, Updates(model, plan, optimizer, task.steps_per_epoch), folder)
    run.resume()
    try:
        with run.events() as events, memory_errors_explained(run.place, plan.batch_size):
            while not run.finished:
                run.train_epoch(on_step, stop)
                run.close_epoch(events)
                on_epoch(run.history[-1])
    except Stopped:
        run.save()
        raise
    model.load_state_dict(run.best)
    return run.history
