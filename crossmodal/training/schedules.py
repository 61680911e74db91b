"""How the learning rate goes, by name. Every parameter group keeps its own highest rate and follows the same course.

cosine      rises in a straight line, then falls along half a cosine to 0 (Loshchilov and Hutter 2017, SGDR, without restarts)
step        rises, then falls to a tenth after 60 % of the steps and to a hundredth after 85 %
plateau     rises, then falls to a half whenever two epochs brought no better validation figure
one_cycle   rises for a quarter, falls for the rest (Smith and Topin 2018, "Super-Convergence")
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from crossmodal.registry import Registry
from crossmodal.training.plan import TrainingPlan

_RISE = 0.2501  # a quarter of the steps, but of no whole number exactly one: torch's schedule would then divide by nothing
_DROPS = (0.6, 0.85)


class Schedule:
    """A learning rate on its way.

    Args:
        of_steps: moved after every step of the optimizer until `steps` of them were taken.
        of_epochs: moved after every validation that comes later than that, by its figure.
        peak_epoch: the epoch, from 0, in which the rate is highest; patience counts from there.
    """

    def __init__(self, of_steps: LRScheduler, *, steps: int, peak_epoch: int, of_epochs: ReduceLROnPlateau | None = None) -> None:
        self._of_steps, self._of_epochs = of_steps, of_epochs
        self._steps, self._taken = steps, 0
        self.peak_epoch = peak_epoch

    def after_step(self) -> None:
        """The optimizer took a step."""
        self._taken += 1
        if self._taken <= self._steps:
            self._of_steps.step()

    def after_epoch(self, score: float) -> None:
        """An epoch was validated; higher is better."""
        if self._of_epochs is not None and self._taken >= self._steps:
            self._of_epochs.step(score)

    def state_dict(self) -> dict[str, Any]:
        """All that changes, in plain values."""
        of_epochs = self._of_epochs.state_dict() if self._of_epochs is not None else None
        return {"taken": self._taken, "of_steps": self._of_steps.state_dict(), "of_epochs": of_epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there. The optimizer's own state, which holds the present rates, is loaded by itself."""
        self._taken = state["taken"]
        self._of_steps.load_state_dict(state["of_steps"])
        if self._of_epochs is not None:
            self._of_epochs.load_state_dict(state["of_epochs"])


def cosine(optimizer: torch.optim.Optimizer, plan: TrainingPlan, updates: int) -> Schedule:
    """Warm-up, then half a cosine to 0 at the last step."""
    total, rise = _lengths(plan, updates)

    def factor(step: int) -> float:
        return _risen(step, rise) * 0.5 * (1 + math.cos(math.pi * max(0, step - rise) / max(1, total - rise)))

    return Schedule(LambdaLR(optimizer, factor), steps=total, peak_epoch=rise // updates)


def step(optimizer: torch.optim.Optimizer, plan: TrainingPlan, updates: int) -> Schedule:
    """Warm-up, then two drops to a tenth."""
    total, rise = _lengths(plan, updates)

    def factor(step: int) -> float:
        return _risen(step, rise) * 0.1 ** sum(step >= share * total for share in _DROPS)

    return Schedule(LambdaLR(optimizer, factor), steps=total, peak_epoch=rise // updates)


def plateau(optimizer: torch.optim.Optimizer, plan: TrainingPlan, updates: int) -> Schedule:
    """Warm-up, then halved whenever the validation figure stands still."""
    _, rise = _lengths(plan, updates)
    falling = ReduceLROnPlateau(optimizer, mode="max", factor=0.5, patience=2, threshold=1e-4)
    rising = LambdaLR(optimizer, lambda step: _risen(step, rise))
    return Schedule(rising, steps=rise, peak_epoch=rise // updates, of_epochs=falling)


def one_cycle(optimizer: torch.optim.Optimizer, plan: TrainingPlan, updates: int) -> Schedule:
    """Up for a quarter of the steps, down for the rest; Adam's momentum goes the other way."""
    total = plan.max_epochs * updates
    rates = [group["lr"] for group in optimizer.param_groups]
    cycle = OneCycleLR(optimizer, rates, total_steps=total, pct_start=_RISE)
    return Schedule(cycle, steps=total, peak_epoch=plan.max_epochs // 4)


SCHEDULES: Registry[Callable[[torch.optim.Optimizer, TrainingPlan, int], Schedule]] = Registry("schedule")
SCHEDULES.register("cosine", cosine)
SCHEDULES.register("step", step)
SCHEDULES.register("plateau", plateau)
SCHEDULES.register("one_cycle", one_cycle)


def schedule_of(optimizer: torch.optim.Optimizer, plan: TrainingPlan, steps_per_epoch: int) -> Schedule:
    """The plan's schedule over this optimizer.

    Raises:
        QueryError: `bad_request`: there is no schedule of this name.
    """
    return SCHEDULES.get(plan.schedule)(optimizer, plan, plan.updates(steps_per_epoch))


def _lengths(plan: TrainingPlan, updates: int) -> tuple[int, int]:
    """Steps in all, and steps of the warm-up."""
    total = plan.max_epochs * updates
    return total, int(total * plan.warm_up)


def _risen(step: int, rise: int) -> float:
    return min(1.0, (step + 1) / (rise + 1))
