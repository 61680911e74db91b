"""The device that a training or an evaluation runs on: the processor, a CUDA GPU or Apple's GPU."""

from collections.abc import Callable

import torch

from crossmodal.errors import QueryError
from crossmodal.runtimes.torch import has_bf16

DEVICES = ("auto", "cpu", "cuda", "mps")


def is_available(kind: str) -> bool:
    """Whether this torch can use a device of a kind: `cuda` or `mps`. The processor is always available."""
    return kind == "cpu" or (torch.cuda.is_available() if kind == "cuda" else torch.backends.mps.is_available())


def resolve_device(name: str, *, available: Callable[[str], bool] = is_available) -> torch.device:
    """The device of a name among `DEVICES`; `auto` is a CUDA GPU where there is one and the processor otherwise.

    `mps` is used only by name: no test of this program has run on it.

    Raises:
        QueryError: `bad_request`, the name is unknown or this torch cannot use such a device.
    """
    if name not in DEVICES:
        raise QueryError("bad_request", f"There is no device {name!r:.40}.", remedy=f"Known are: {', '.join(DEVICES)}.")
    if name == "auto":
        return torch.device("cuda" if available("cuda") else "cpu")
    if not available(name):
        raise QueryError(
            "bad_request",
            f"The device {name} is not available: this computer has none, or torch {torch.__version__} is built without it.",
            remedy="Use --device auto or cpu (setting CROSSMODAL_DEVICE), or install a build of torch for this device.",
        )
    return torch.device(name)


def uses_bf16(device: torch.device) -> bool:
    """Whether autocast to bfloat16 is used on a device: where the hardware multiplies it. Apple's GPU computes in float32."""
    if device.type == "cpu":
        return has_bf16()
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
