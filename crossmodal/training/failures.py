"""What can go wrong in the middle of a training, as sentences with a remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from crossmodal.errors import TrainingError

_NO_MEMORY = ("not enough memory", "DefaultCPUAllocator", "can't allocate memory", "out of memory", "bad allocation")


def not_finite(what: str, where: str, kept: str = "") -> TrainingError:
    """A number ran away. `kept` says where the last good weights are, when they are on the disk."""
    remedy = (
        f"{kept} Lower --learning-rate, or raise --warm-up, and train again."
        if kept
        else "The model in use was kept. Lower CROSSMODAL_LEARNING_RATE and train again."
    )
    return TrainingError("training_failed", f"Training stopped: the {what} was not a finite number in {where}.", remedy=remedy)


@contextmanager
def memory_watched(where: "Step", batch_size: int) -> Iterator[None]:
    """Let an exhausted memory leave the block as a sentence.

    Args:
        batch_size: pairs in a batch, 0 when not known.

    Raises:
        TrainingError: memory ran out; every other error passes as it is.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_of_memory(error):
            raise _no_memory(where, batch_size) from error
        raise


def is_of_memory(error: Exception) -> bool:
    """Whether memory ran out. On a processor torch says so by a RuntimeError, which its words tell from any other."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _NO_MEMORY)


class Step:
    """Where a training is, for people: counted from 1."""

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
