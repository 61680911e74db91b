"""Rates, schedules, accumulated gradients and averaged weights, each against what its formula says."""

import copy
import math

import pytest
import torch
from torch import nn

from crossmodal.errors import QueryError
from crossmodal.training.optim import SCHEDULES, Updates, WeightAverage, freeze, grouped_adamw, plain_adamw, schedule_of
from crossmodal.training.plan import TrainingPlan, TrainingTask, Validation
from crossmodal.training.trainer import train

PLAN = TrainingPlan(max_epochs=10, learning_rate=0.1, patience=99, schedule="cosine", warm_up=0.2)


class Towers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
        self.head = nn.Linear(3, 2)
        self.temperature = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.tower(x)) * self.temperature
        return out


def rates(schedule: str, epochs: int = 10, steps: int = 5, **options: object) -> list[float]:
    plan = TrainingPlan(max_epochs=epochs, learning_rate=0.1, patience=9, schedule=schedule, **options)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    course, found = schedule_of(optimizer, plan, steps), []
    for _ in range(epochs):
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            course.after_step()
        course.after_epoch(0.5)
    return found


def test_cosine_by_its_formula() -> None:
    found, rise = rates("cosine", warm_up=0.2), 10
    for step, rate in enumerate(found):
        if step < rise:
            assert rate == pytest.approx(0.1 * (step + 1) / (rise + 1))
        else:
            assert rate == pytest.approx(0.05 * (1 + math.cos(math.pi * (step - rise) / (50 - rise))))


def test_step_drops_twice() -> None:
    found = rates("step", warm_up=0.0)
    assert found == pytest.approx([0.1] * 30 + [0.01] * 13 + [0.001] * 7)


def test_plateau_halves_when_nothing_gets_better() -> None:
    found = rates("plateau", warm_up=0.1)
    assert found[5:] == sorted(found[5:], reverse=True)
    assert found[:5] == sorted(found[:5])
    assert max(found) == pytest.approx(0.1)
    assert found[-1] == pytest.approx(0.1 / 4)


def test_one_cycle_is_torchs() -> None:
    found = rates("one_cycle")
    assert max(found) == pytest.approx(0.1, rel=1e-2)
    assert 11 <= found.index(max(found)) <= 13
    assert found[-1] < 1e-5


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (1, 2), (2, 1), (3, 7)])
def test_every_schedule_fits_every_length(schedule: str, epochs: int, steps: int) -> None:
    assert all(0 < rate <= 0.1 + 1e-9 for rate in rates(schedule, epochs, steps))


def test_an_unknown_schedule_lists_the_known() -> None:
    with pytest.raises(QueryError, match="no schedule called 'cosin'") as caught:
        rates("cosin")
    assert caught.value.remedy.startswith("Known are: cosine")


def test_groups_have_their_own_rates_and_no_decay_of_vectors() -> None:
    model = Towers()
    optimizer = grouped_adamw(model, PLAN, towers={"tower.": 0.001})
    found = {
        name: (group["initial_lr"] if "initial_lr" in group else group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for name, parameter in model.named_parameters()
        if any(parameter is value for value in group["params"])
    }
    assert found == {
        "temperature": (0.1, 0.0),
        "tower.0.weight": (0.001, PLAN.weight_decay),
        "tower.0.bias": (0.001, 0.0),
        "tower.1.weight": (0.001, 0.0),
        "tower.1.bias": (0.001, 0.0),
        "head.weight": (0.1, PLAN.weight_decay),
        "head.bias": (0.1, 0.0),
    }
    schedule = schedule_of(optimizer, PLAN, 1)
    ratio = {group["lr"] / group["initial_lr"] for group in optimizer.param_groups}
    assert len({round(value, 9) for value in ratio}) == 1  # all follow one course
    assert schedule.peak_epoch == 2


def test_frozen_layers_stay_and_may_thaw() -> None:
    model = Towers()
    optimizer = plain_adamw(model, PLAN)
    assert freeze(model, ["tower.", "temperature"]) == [
        "temperature",
        "tower.0.weight",
        "tower.0.bias",
        "tower.1.weight",
        "tower.1.bias",
    ]
    before = copy.deepcopy(model.state_dict())
    data = torch.randn(8, 3)

    def run(epochs: int) -> None:
        plan = TrainingPlan(max_epochs=epochs, learning_rate=0.1, patience=99, weight_decay=0.5)
        course = TrainingTask(
            1,
            lambda _epoch, _start: [data],
            lambda x: model(x).square().mean(),
            lambda: Validation(0.5, 0.0, 0.5),
            before_epoch=lambda epoch: freeze(model, [] if epoch >= 2 else ["tower."]) and None,
        )
        train(model, plan, course, optimizer)

    run(2)
    assert torch.equal(model.tower[0].weight, before["tower.0.weight"])
    assert not torch.equal(model.head.weight, before["head.weight"])
    run(4)
    assert not torch.equal(model.tower[0].weight, before["tower.0.weight"])


@pytest.mark.parametrize(("steps", "accumulation"), [(4, 4), (6, 2), (5, 2), (3, 8)])
def test_accumulation_equals_the_large_batch(steps: int, accumulation: int) -> None:
    """A mean over pairs, in small batches of equal size, is what it is in one large batch."""
    data = torch.randn(3, steps, 4, 3, generator=torch.Generator().manual_seed(1))
    models = [nn.Linear(3, 1)]
    models.append(copy.deepcopy(models[0]))

    def run(model: nn.Module, batches: list[list[torch.Tensor]], accumulation: int) -> None:
        plan = TrainingPlan(max_epochs=3, learning_rate=0.05, patience=99, schedule="cosine", accumulation=accumulation)
        course = TrainingTask(
            len(batches[0]),
            lambda epoch, start: batches[epoch][start:],
            lambda x: (model(x) - x.sum(dim=1, keepdim=True)).square().mean(),
            lambda: Validation(0.5, 0.0, 0.5),
        )
        train(model, plan, course, plain_adamw(model, plan))

    run(models[0], [list(epoch) for epoch in data], accumulation)
    large = [[torch.cat(tuple(epoch[i : i + accumulation])) for i in range(0, steps, accumulation)] for epoch in data]
    run(models[1], large, 1)
    torch.testing.assert_close(models[0].weight, models[1].weight, rtol=1e-4, atol=1e-5)


def test_the_average_by_its_formula() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = WeightAverage(model, model.parameters(), 0.5)
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    for step in range(1, 6):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        model(torch.randn(4, 2))
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * value if value.is_floating_point() else value
    own = copy.deepcopy(model.state_dict())
    with average.in_use():
        for name, value in model.state_dict().items():
            torch.testing.assert_close(value, expected[name])
    assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())


def test_the_average_is_what_is_validated_and_kept() -> None:
    model, seen = nn.Linear(1, 1), []

    def validate() -> Validation:
        seen.append(model.weight.item())
        return Validation(0.5, 0.0, 0.5)

    plan = TrainingPlan(max_epochs=3, learning_rate=0.1, patience=9, schedule="cosine", average_decay=0.9)
    live = []
    course = TrainingTask(2, lambda _epoch, _start: [torch.ones(1, 1)] * 2, lambda x: model(x).square().mean(), validate)
    train(model, plan, course, plain_adamw(model, plan), on_epoch=lambda figures: live.append(model.weight.item()))
    assert model.weight.item() == seen[-1]
    assert all(a != b for a, b in zip(seen, live, strict=True))


def test_gradients_that_are_no_numbers_change_nothing() -> None:
    model = nn.Linear(1, 1)
    updates = Updates(model, PLAN, plain_adamw(model, PLAN), 1)
    before = copy.deepcopy(model.state_dict())
    updates.begin()
    (model(torch.ones(1, 1)) * float("inf")).sum().backward()
    assert updates.apply() is False
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
