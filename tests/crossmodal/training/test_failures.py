"""What goes wrong is said in a sentence that names the place and what to do."""

import pytest
import torch
from torch import nn

from crossmodal.errors import TrainingError
from crossmodal.training.optim import plain_adamw
from crossmodal.training.plan import TrainingPlan, TrainingTask, Validation
from crossmodal.training.trainer import train

SAYINGS = [
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 1"
    ),
    RuntimeError("not enough memory: you tried to allocate 137438953472 bytes."),
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
]


def run(error: BaseException | None, *, in_validation: bool = False, batch_size: int = 64) -> None:
    model, calls = nn.Linear(1, 1), [0]

    def loss_of(x: torch.Tensor) -> torch.Tensor:
        calls[0] += 1
        if error is not None and not in_validation and calls[0] == 4:
            raise error
        return model(x).square().mean()

    def validate() -> Validation:
        if error is not None and in_validation:
            raise error
        return Validation(0.5, 0.0, 0.5)

    plan = TrainingPlan(max_epochs=2, learning_rate=0.1, patience=9, batch_size=batch_size)
    course = TrainingTask(3, lambda _epoch, _start: [torch.ones(1, 1)] * 3, loss_of, validate)
    train(model, plan, course, plain_adamw(model, plan))


@pytest.mark.parametrize("error", SAYINGS, ids=lambda error: type(error).__name__)
def test_exhausted_memory_names_the_batch_size(error: BaseException) -> None:
    with pytest.raises(TrainingError, match="memory was not enough in epoch 2, batch 1") as caught:
        run(error)
    assert "--batch-size (now 64), such as 32" in caught.value.remedy
    assert "\n" not in caught.value.sentence


def test_exhausted_memory_of_a_validation_and_of_an_unknown_batch_size() -> None:
    with pytest.raises(TrainingError, match="memory was not enough in the validation of epoch 1") as caught:
        run(SAYINGS[0], in_validation=True, batch_size=0)
    assert "smaller --batch-size, such as 32" in caught.value.remedy


def test_memory_asked_of_the_system_for_real() -> None:
    """Not a made-up message: torch's own, for more bytes than any address space has."""

    def greedy() -> None:
        torch.empty(2**60, dtype=torch.uint8)

    with pytest.raises(RuntimeError) as caught:
        greedy()
    with pytest.raises(TrainingError, match="memory"):
        run(caught.value)


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        run(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    run(None)
