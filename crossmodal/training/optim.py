"""Optimizers, learning rate schedules, gradient clipping and weight averaging."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from crossmodal.registry import lookup
from crossmodal.training.plan import TrainingPlan

_RISE = 0.2501  # a quarter of the steps, but of no whole number exactly one: torch's schedule would then divide by nothing
_DROPS = (0.6, 0.85)


class Schedule:
    """A learning rate schedule per step and, after its last step, per epoch.

    Args:
        of_steps: advanced after each of the first `steps` optimizer steps.
        of_epochs: advanced after each later validation, by its score.
        peak_epoch: the epoch, from 0, with the highest rate; patience counts from it.
    """

    def __init__(self, of_steps: LRScheduler, *, steps: int, peak_epoch: int, of_epochs: ReduceLROnPlateau | None = None) -> None:
        self._of_steps, self._of_epochs = of_steps, of_epochs
        self._steps, self._taken = steps, 0
        self.peak_epoch = peak_epoch

    def after_step(self) -> None:
        """Advance after an optimizer step."""
        self._taken += 1
        if self._taken <= self._steps:
            self._of_steps.step()

    def after_epoch(self, score: float) -> None:
        """Advance after a validation; a higher score is better."""
        if self._of_epochs is not None and self._taken >= self._steps:
            self._of_epochs.step(score)

    def state_dict(self) -> dict[str, Any]:
        """The state as plain values."""
        of_epochs = self._of_epochs.state_dict() if self._of_epochs is not None else None
        return {"taken": self._taken, "of_steps": self._of_steps.state_dict(), "of_epochs": of_epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state; the current rates are in the optimizer's state."""
        self._taken = state["taken"]
        self._of_steps.load_state_dict(state["of_steps"])
        if self._of_epochs is not None:
            self._of_epochs.load_state_dict(state["of_epochs"])


def cosine(optimizer: torch.optim.Optimizer, plan: TrainingPlan, updates: int) -> Schedule:
    """Linear warm-up, then half a cosine to 0 at the last step."""
    total, rise = _lengths(plan, updates)

    def factor(step: int) -> float:
        return _risen(step, rise) * 0.5 * (1 + math.cos(math.pi * max(0, step - rise) / max(1, total - rise)))

    return Schedule(LambdaLR(optimizer, factor), steps=total, peak_epoch=rise // updates)


def step(optimizer: torch.optim.Optimizer, plan: TrainingPlan, updates: int) -> Schedule:
    """Linear warm-up, then two drops to a tenth."""
    total, rise = _lengths(plan, updates)

    def factor(step: int) -> float:
        return _risen(step, rise) * 0.1 ** sum(step >= share * total for share in _DROPS)

    return Schedule(LambdaLR(optimizer, factor), steps=total, peak_epoch=rise // updates)


def plateau(optimizer: torch.optim.Optimizer, plan: TrainingPlan, updates: int) -> Schedule:
    """Linear warm-up, then halved whenever the validation score stops improving."""
    _, rise = _lengths(plan, updates)
    falling = ReduceLROnPlateau(optimizer, mode="max", factor=0.5, patience=2, threshold=1e-4)
    rising = LambdaLR(optimizer, lambda step: _risen(step, rise))
    return Schedule(rising, steps=rise, peak_epoch=rise // updates, of_epochs=falling)


def one_cycle(optimizer: torch.optim.Optimizer, plan: TrainingPlan, updates: int) -> Schedule:
    """Up for a quarter of the steps, then down; Adam's momentum is changed inversely."""
    total = plan.max_epochs * updates
    rates = [group["lr"] for group in optimizer.param_groups]
    cycle = OneCycleLR(optimizer, rates, total_steps=total, pct_start=_RISE)
    return Schedule(cycle, steps=total, peak_epoch=plan.max_epochs // 4)


SCHEDULES: dict[str, Callable[[torch.optim.Optimizer, TrainingPlan, int], Schedule]] = {
    "cosine": cosine,
    "step": step,
    "plateau": plateau,
    "one_cycle": one_cycle,
}


def schedule_of(optimizer: torch.optim.Optimizer, plan: TrainingPlan, steps_per_epoch: int) -> Schedule:
    """The schedule of the plan for an optimizer.

    Raises:
        QueryError: `bad_request`, the schedule is unknown.
    """
    return lookup(SCHEDULES, plan.schedule, kind="schedule")(optimizer, plan, plan.updates(steps_per_epoch))


def _lengths(plan: TrainingPlan, updates: int) -> tuple[int, int]:
    """Total steps and warm-up steps."""
    total = plan.max_epochs * updates
    return total, int(total * plan.warm_up)


def _risen(step: int, rise: int) -> float:
    return min(1.0, (step + 1) / (rise + 1))


def plain_adamw(model: nn.Module, plan: TrainingPlan) -> torch.optim.AdamW:
    """AdamW with one rate and one decay for all trainable parameters."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(parameters, lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=_has_fused(model))


def grouped_adamw(model: nn.Module, plan: TrainingPlan, *, towers: Mapping[str, float] | None = None) -> torch.optim.AdamW:
    """AdamW with separate rates for pretrained towers, and weight decay for matrices only.

    Norms, biases, the temperature and the bias of a loss have fewer than two dimensions and are not decayed (Goyal et al. 2017, section
    5.1). Embedding tables are.

    Args:
        model: contains every parameter that is trained, now or after a hook unfreezes it.
        towers: prefix of parameter names → learning rate; all others use the rate of the plan.
    """
    rates = {"": plan.learning_rate, **(towers or {})}
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            tower = max((prefix for prefix in rates if name.startswith(prefix)), key=len)
            groups.setdefault((tower, parameter.ndim >= 2), []).append(parameter)
    settings = [
        {"params": found, "lr": rates[tower], "weight_decay": plan.weight_decay if is_matrix else 0.0}
        for (tower, is_matrix), found in sorted(groups.items())
    ]
    return torch.optim.AdamW(settings, lr=plan.learning_rate, fused=_has_fused(model))


def _has_fused(model: nn.Module) -> bool:
    return next(model.parameters()).device.type in {"cpu", "cuda"}


def freeze(model: nn.Module, prefixes: Iterable[str]) -> list[str]:
    """Freeze exactly the parameters whose names start with one of `prefixes`; returns their names.

    Can be called before an epoch to unfreeze a tower: the optimizer ignores parameters without a gradient.
    """
    beginnings = tuple(prefixes)
    frozen = []
    for name, parameter in model.named_parameters():
        is_frozen = bool(beginnings) and name.startswith(beginnings)
        parameter.requires_grad_(not is_frozen)
        if is_frozen:
            frozen.append(name)
            parameter.grad = None
    return frozen


class WeightAverage:
    """Exponential moving average of the weights (Polyak and Juditsky 1992; with the warm-up of TensorFlow's implementation).

    The decay at step t is min(decay, (1 + t) / (10 + t)). Running means and variances of batch norms are averaged too, counters are not.
    Weights outside `trained` do not change and are not copied.
    """

    def __init__(self, model: nn.Module, trained: Iterable[Tensor], decay: float) -> None:
        self._decay, self._steps = decay, 0
        known = {id(value) for value in trained}
        self._live: dict[str, Tensor] = {name: value for name, value in model.named_parameters() if id(value) in known}
        self._live |= {name: value for name, value in model.named_buffers() if value.is_floating_point()}
        self._mean = {name: value.detach().clone() for name, value in self._live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Update the average after an optimizer step."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(list(self._mean.values()), [value.detach() for value in self._live.values()], 1 - decay)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Inside the block, the model has the averaged weights; its own are restored bit-identically afterwards."""
        own = {name: value.detach().clone() for name, value in self._live.items()}
        self._set(self._mean)
        try:
            yield
        finally:
            self._set(own)

    @torch.no_grad()
    def _set(self, values: dict[str, Tensor]) -> None:
        for name, value in self._live.items():
            value.copy_(values[name])

    def state_dict(self) -> dict[str, Any]:
        """The average and its number of steps."""
        return {"steps": self._steps, "mean": dict(self._mean)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state."""
        self._steps = state["steps"]
        for name, value in self._mean.items():
            value.copy_(state["mean"][name])


class Updates:
    """Optimizer, schedule and weight average of one training."""

    def __init__(self, model: nn.Module, plan: TrainingPlan, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> None:
        self._plan, self._optimizer = plan, optimizer
        self.schedule = schedule_of(optimizer, plan, steps_per_epoch)
        trained = [value for group in optimizer.param_groups for value in group["params"]]
        self.average = WeightAverage(model, trained, plan.average_decay) if plan.average_decay else None

    @property
    def rates(self) -> list[float]:
        """The current learning rate of each parameter group."""
        return [float(group["lr"]) for group in self._optimizer.param_groups]

    def begin(self) -> None:
        """Clear the gradients."""
        self._optimizer.zero_grad(set_to_none=True)

    def apply(self) -> bool:
        """Clip the accumulated gradients and take an optimizer step. Returns False, without a step, if they are not finite."""
        parameters = [value for group in self._optimizer.param_groups for value in group["params"] if value.grad is not None]
        norm = nn.utils.clip_grad_norm_(parameters, self._plan.max_gradient_norm)
        if not math.isfinite(norm.item()):
            return False
        self._optimizer.step()
        self.schedule.after_step()
        if self.average is not None:
            self.average.update()
        return True

    def state_dict(self) -> dict[str, Any]:
        """The state of optimizer, schedule and average."""
        average = self.average.state_dict() if self.average is not None else None
        return {"optimizer": self._optimizer.state_dict(), "schedule": self.schedule.state_dict(), "average": average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state."""
        self._optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
