"""Training on several processes that torchrun started: who I am, all embeddings in every process, and one voice in what is decided.

Every process computes the whole loss over the gathered embeddings of all. The gradient that reaches a process's own embeddings through the
gathering is the sum over all processes, and DistributedDataParallel takes the mean over processes of the parameters' gradients: together
exactly the gradient of one process with the whole batch. Norms over a batch (BatchNorm) still see their own part only.

Outside torchrun every function here is its own one-process case and costs nothing.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from crossmodal.errors import TrainingError

Answer = TypeVar("Answer")


@contextmanager
def process_group(*, gpu: bool = True) -> Iterator[torch.device]:
    """Join the other processes when torchrun started this one. Yields the device of this process.

    NCCL where every process has a GPU of its own, gloo otherwise.

    Args:
        gpu: False stays on the processor whatever there is.

    Raises:
        TrainingError: torchrun's environment is incomplete or the others cannot be reached.
    """
    if "WORLD_SIZE" not in os.environ:
        yield torch.device("cuda" if gpu and torch.cuda.is_available() else "cpu")
        return
    number = int(os.environ.get("LOCAL_RANK", "0"))
    has_gpu = gpu and torch.cuda.is_available() and torch.cuda.device_count() >= int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if has_gpu:
        torch.cuda.set_device(number)
    try:
        dist.init_process_group("nccl" if has_gpu else "gloo")
    except (ValueError, RuntimeError) as error:
        raise TrainingError(
            "training_failed",
            f"The training processes could not find each other ({error}).",
            remedy="Start them with torchrun, for example torchrun --nproc-per-node 2 cli.py train.",
        ) from error
    try:
        yield torch.device("cuda", number) if has_gpu else torch.device("cpu")
        dist.barrier()  # nobody takes the group apart while another is still at work in it
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_writer() -> bool:
    """Whether this process writes the run folder and tells people."""
    return rank() == 0


def shared(learner: nn.Module) -> nn.Module:
    """The learner with gradients averaged over all processes; itself when there is one.

    Args:
        learner: its `forward(batch)` is the loss. Which of its parameters require a gradient is fixed from here on.
    """
    return DistributedDataParallel(learner) if processes() > 1 else learner


def gathered(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Each tensor's rows from all processes, in their order; gradients find their way back. Every process hands in equal shapes.

    Shape: (n, ...) → (processes · n, ...).
    """
    if processes() == 1:
        return tensors
    return tuple(
        _Gathered.apply(tensor) if tensor.requires_grad else torch.cat(everywhere(tensor))  # type: ignore[no-untyped-call]
        for tensor in tensors
    )


class _Gathered(torch.autograd.Function):
    """All processes' rows; backwards, each process's own rows get the sum of the gradients that all processes have for them."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        """Shape: (n, ...) → (processes · n, ...)."""
        ctx.rows = len(tensor)
        return torch.cat(everywhere(tensor))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Shape: (processes · n, ...) → (n, ...)."""
        summed = gradient.contiguous().clone()
        dist.all_reduce(summed)
        return summed[rank() * ctx.rows : (rank() + 1) * ctx.rows]


@torch.no_grad()
def everywhere(tensor: Tensor) -> list[Tensor]:
    """The tensor of every process, in their order, without gradients."""
    if processes() == 1:
        return [tensor]
    mine = tensor.to(_device()).contiguous()
    found = [torch.empty_like(mine) for _ in range(processes())]
    dist.all_gather(found, mine)
    return [value.to(tensor.device) for value in found]


def any_of(*facts: bool) -> tuple[bool, ...]:
    """For each fact: whether it holds in some process. All processes get the same answer."""
    if processes() == 1:
        return facts
    votes = torch.tensor(facts, dtype=torch.int32, device=_device())
    dist.all_reduce(votes, dist.ReduceOp.MAX)
    return tuple(bool(vote) for vote in votes.tolist())


def mean_of(values: Sequence[float]) -> list[float]:
    """Each value's mean over the processes."""
    if processes() == 1:
        return list(values)
    total = torch.tensor(values, dtype=torch.float64, device=_device())
    dist.all_reduce(total)
    return [float(value) for value in (total / processes()).tolist()]


def of_the_first(values: Sequence[float]) -> list[float]:
    """The first process's values, in all of them; what the others hand in says only how many there are."""
    if processes() == 1:
        return list(values)
    said = torch.tensor(values, dtype=torch.float64, device=_device())
    dist.broadcast(said, 0)
    return [float(value) for value in said.tolist()]


def unsynchronised(learner: object, more: bool) -> AbstractContextManager[None]:
    """While `more` batches are to be added, gradients stay in their process; they are averaged with the last one's."""
    if not more or not isinstance(learner, DistributedDataParallel):
        return nullcontext()
    held: AbstractContextManager[None] = learner.no_sync()
    return held


def _device() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")


def first_then_others(work: Callable[[], Answer]) -> Answer:
    """What the first process does alone, done by the others once it is finished: they find its files made."""
    if is_writer():
        answer = work()
        any_of(True)
        return answer
    any_of(True)
    return work()
