"""Errors during a training, as messages with a remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from crossmodal.errors import TrainingError

_NO_MEMORY = ("not enough memory", "DefaultCPUAllocator", "can't allocate memory", "out of memory", "bad allocation")


def not_finite(what: str, where: str, kept: str = "") -> TrainingError:
    """The error for a value that is not finite. `kept` says where the last good weights are saved, if they are."""
    remedy = (
        f"{kept} Lower --learning-rate, or raise --warm-up, and train again."
        if kept
        else "The model in use was kept. Lower CROSSMODAL_LEARNING_RATE and train again."
    )
    return TrainingError("training_failed", f"Training stopped: the {what} was not a finite number in {where}.", remedy=remedy)


@contextmanager
def memory_errors_explained(where: "Step", batch_size: int) -> Iterator[None]:
    """Convert an out-of-memory error inside the block to a `TrainingError`.

    Args:
        batch_size: pairs per batch, 0 if unknown.

    Raises:
        TrainingError: memory ran out; other errors pass unchanged.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise _no_memory(where, batch_size) from error
        raise


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out. On the CPU torch raises a RuntimeError, recognised by its message."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _NO_MEMORY)


class Step:
    """The current epoch and batch, counted from 1, for messages; batch 0 is the validation."""

    epoch = 0
    batch = 0

    def __str__(self) -> str:
        return f"epoch {self.epoch}, batch {self.batch}" if self.batch else f"the validation of epoch {self.epoch}"


def _no_memory(where: Step, batch_size: int) -> TrainingError:
    present = f" (now {batch_size})" if batch_size else ""
    return TrainingError(
        "training_failed",
        f"Training stopped: the memory was not enough in {where}.",
        remedy=f"Take a smaller --batch-size{present}, such as {max(2, batch_size // 2) if batch_size else 32}; on a full GPU,"
        " --accumulation keeps the size of a step. The last saved state is kept.",
    )
