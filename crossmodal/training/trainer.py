"""The training loop. It knows no model and no data: it is handed batches, a loss and a way to measure, and keeps the weights that last
measured as well as any."""

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
from crossmodal.training.failures import Step, memory_watched, not_finite
from crossmodal.training.optim import Updates
from crossmodal.training.plan import Batch, EpochFigures, TrainingPlan, TrainingTask
from crossmodal.training.run_dir import BEST, RunDir


class Run(Generic[Batch]):
    """One training under way: everything about it that changes."""

    def __init__(
        self, model: nn.Module, plan: TrainingPlan, course: TrainingTask[Batch], updates: Updates, folder: RunDir | None
    ) -> None:
        self._model, self._plan, self._course, self._updates, self._folder = model, plan, course, updates, folder
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

    def learn_epoch(self, on_step: Callable[[int, int], None], stop: threading.Event | None) -> None:
        """All batches of the present epoch that are not done yet."""
        epoch, steps, plan = len(self.history), self._course.steps_per_epoch, self._plan
        self._model.train()
        self._course.before_epoch(epoch)
        batches = iter(self._course.batches(epoch, self._step))
        for number in range(self._step, steps):
            self.place.epoch, self.place.batch = epoch + 1, number + 1
            self._random = self._random_now()
            batch = next(batches)
            first = number - number % plan.accumulation
            together = min(plan.accumulation, steps - first)  # the last step of an epoch may stand for fewer batches
            if number == first:
                check_stop(stop, "Training")
                self._updates.begin()
            self._losses.append(self._learn(batch, together, is_last=number == first + together - 1))
            self._step = number + 1
            on_step(epoch * steps + self._step, plan.max_epochs * steps)
            self._unsaved += 1
            if 0 < plan.save_every_steps <= self._unsaved and number == first + together - 1 and self._step < steps:
                self._random = self._random_now()
                self.save()

    def _learn(self, batch: Batch, together: int, *, is_last: bool) -> float:
        """Gradients of one batch, and with the last one of its group the step of the optimizer. Returns the loss."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._plan.bf16):
            loss = self._course.loss_of(batch)
        value = loss.item()
        if not math.isfinite(value):
            raise not_finite("loss", str(self.place), self._kept())
        (loss / together).backward()  # type: ignore[no-untyped-call]
        if is_last and not self._updates.apply():
            raise not_finite("gradient", str(self.place), self._kept())
        return value

    def close_epoch(self, events: Events) -> None:
        """Measure, keep the weights unless earlier ones are clearly better, write it all down, and decide whether to go on."""
        epoch = len(self.history) + 1
        self.place.batch = 0
        with self._averaged():
            with evaluating(self._model):
                found = self._course.validate()
            if not math.isfinite(found.score):
                raise not_finite("validation figure", f"epoch {epoch}", self._kept())
            # Within one standard error of the best, the later epoch is kept: it has seen more, at a smaller rate, and a small validation
            # set cannot tell them apart (the one-standard-error rule, Breiman et al. 1984, "Classification and Regression Trees").
            is_kept = found.score >= self._best_score - found.standard_error
            weights = {name: value.detach().clone() for name, value in self._model.state_dict().items()}
        rates = self._updates.rates
        self._updates.schedule.after_epoch(found.score)
        loss = sum(self._losses) / len(self._losses)
        self.history.append(EpochFigures(epoch, loss, found.score, found.recall_at_1, self._seconds()))
        self._lines.append(asdict(self.history[-1]) | {"learning_rate": max(rates)} | dict(found.figures))
        if is_kept:
            self.best, self._best_epoch, self._best_score = weights, epoch, max(self._best_score, found.score)
        self.finished = epoch == self._plan.max_epochs or (not is_kept and self._waited())
        self._losses, self._step = [], 0
        self._random = self._random_now()
        self.save()  # first of all: from it the other files can be put right
        if self._folder is not None:
            self._folder.append_line(self._lines[-1])
            self._keep_weights(weights)
        events.line(self._lines[-1])

    def _keep_weights(self, weights: dict[str, Tensor]) -> None:
        """The files of weights that belong to the epoch that just ended."""
        assert self._folder is not None
        epoch, every = len(self.history), self._plan.save_every_epochs
        if self._best_epoch == epoch:
            self._folder.save_weights(BEST, weights, self._lines[-1])
        if every and epoch % every == 0:
            self._folder.save_weights(f"epoch-{epoch:04d}.pt", weights, self._lines[-1])

    def _waited(self) -> bool:
        """Whether `patience` epochs after the rate's peak brought nothing better."""
        figures = [entry.score for entry in self.history]
        latest_best = max(index for index, figure in enumerate(figures) if figure == max(figures))
        return len(figures) - 1 - max(latest_best, self._updates.schedule.peak_epoch) >= self._plan.patience

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _kept(self) -> str:
        if self._folder is None:
            return ""
        if not self._best_epoch:
            return f"No epoch was finished, so {self._folder.path} holds no weights to use yet."
        return f"The weights of epoch {self._best_epoch} are kept in {self._folder.path / BEST}."

    def events(self) -> Events:
        """TensorBoard's part of the folder."""
        return Events(self._folder.path / "events" if self._folder is not None else None, done=len(self.history))

    def save(self) -> None:
        """Write down where the training stands."""
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
        """Go on where the folder's last state stands; nothing happens when there is none."""
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
        """The best weights from their file; after a kill between two writes that is put right first."""
        assert self._folder is not None
        if not self.history:  # stopped within the first epoch: nothing was measured yet, so there are no weights to put right
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
        """A copy of the weights, averaged where that was asked for."""
        with self._averaged():
            return {name: value.detach().clone() for name, value in self._model.state_dict().items()}

    def _averaged(self) -> AbstractContextManager[None]:
        average = self._updates.average
        return average.in_use() if average is not None else nullcontext()

    def _random_now(self) -> dict[str, Tensor]:
        """The state of every generator."""
        states = {"torch": torch.get_rng_state()}
        if self._device.type != "cpu":
            states[self._device.type] = torch.get_device_module(self._device).get_rng_state()
        return states | {f"own {name}": generator.get_state() for name, generator in self._course.generators.items()}

    def _set_random(self, states: dict[str, Tensor]) -> None:
        torch.set_rng_state(states["torch"])
        if self._device.type in states:  # else the run was begun on another device
            torch.get_device_module(self._device).set_rng_state(states[self._device.type])
        for name, generator in self._course.generators.items():
            generator.set_state(states[f"own {name}"])


def _one_of(value: Tensor | list[Tensor]) -> Tensor:
    """A generator's state. Before version 0.2 a list was saved, with a state of each training process."""
    return value[0] if isinstance(value, list) else value


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


def train(
    model: nn.Module,
    plan: TrainingPlan,
    course: TrainingTask[Batch],
    optimizer: torch.optim.Optimizer,
    *,
    folder: RunDir | None = None,
    on_epoch: Callable[[EpochFigures], None] = lambda _figures: None,
    on_step: Callable[[int, int], None] = lambda _done, _total: None,
    stop: threading.Event | None = None,
) -> list[EpochFigures]:
    """Train `model` in place and leave it with the weights of the last epoch within one standard error of the best before it.

    With a standard error of 0.0 that is the best epoch, the last of several that are equal.

    Args:
        model: whose weights are kept; the loss's own parameters belong in it too.
        optimizer: over all that is ever trained.
        folder: where the run is written down; a run that was broken off there goes on, to the same numbers.
        on_epoch: called when an epoch is over.
        on_step: called with (batches done, batches in all).

    Raises:
        Stopped: `stop` was set. With a folder the run can go on from this very batch; without, the model has no agreed weights.
        TrainingError: the loss, a gradient or the validation figure is not finite, or memory ran out; says where. The model then has
            the weights from before that batch, and the folder the best and the last saved ones.
        CheckpointError, StoreError: the folder cannot be read or written.
    """
    run = Run(model, plan, course, Updates(model, plan, optimizer, course.steps_per_epoch), folder)
    run.resume()
    try:
        with run.events() as events, memory_watched(run.place, plan.batch_size):
            while not run.finished:
                run.learn_epoch(on_step, stop)
                run.close_epoch(events)
                on_epoch(run.history[-1])
    except Stopped:
        run.save()
        raise
    model.load_state_dict(run.best)
    return run.history
