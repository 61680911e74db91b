"""The training loop. It knows no model and no data: it is handed batches, a loss and a way to measure, and keeps the weights that last
measured as well as any."""

import threading
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from crossmodal.progress import Stopped
from crossmodal.training import distributed
from crossmodal.training.course import Batch, Course
from crossmodal.training.optimisation import Updates, plain_adamw
from crossmodal.training.plan import EpochFigures, TrainingPlan, Validation
from crossmodal.training.run import Run, evaluating
from crossmodal.training.run_folder import RunFolder
from crossmodal.training.trouble import memory_watched

__all__ = ["EpochFigures", "TrainingPlan", "Validation", "evaluating", "fit", "train"]


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
    """Train `model` in place and leave it with the weights `train` would: the loop without a folder, one rate for all weights.

    Args:
        batches: the batches of epoch 0, 1, ...; exactly `steps_per_epoch` of them.
        validate: the epoch's figures; called with the model in evaluation mode.
        on_step: called with (steps done, steps in all).

    Raises:
        Stopped: `stop` was set; the model then has no agreed weights.
        TrainingError: the loss or the validation figure is not finite; says where.
    """
    course = Course(steps_per_epoch, lambda epoch, _start: batches(epoch), loss_of, validate)
    return train(model, plan, course, plain_adamw(model, plan), on_epoch=on_epoch, on_step=on_step, stop=stop)


def train(
    model: nn.Module,
    plan: TrainingPlan,
    course: Course[Batch],
    optimizer: torch.optim.Optimizer,
    *,
    folder: RunFolder | None = None,
    on_epoch: Callable[[EpochFigures], None] = lambda _figures: None,
    on_step: Callable[[int, int], None] = lambda _done, _total: None,
    stop: threading.Event | None = None,
) -> list[EpochFigures]:
    """Train `model` in place and leave it with the weights of the last epoch within one standard error of the best before it.

    With a standard error of 0.0 that is the best epoch, the last of several that are equal.

    Args:
        model: whose weights are kept; the loss's own parameters belong in it too. With several processes, the module itself.
        optimizer: over all that is ever trained.
        folder: where the run is written down; a run that was broken off there goes on, to the same numbers.
        on_epoch: called when an epoch is over, in the first process only.
        on_step: called with (batches done, batches in all), in the first process only.

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
                if distributed.is_writer():
                    on_epoch(run.history[-1])
    except Stopped:
        run.save()
        raise
    model.load_state_dict(run.best)
    return run.history
