"""ResNet18 (He et al. 2015, "Deep Residual Learning for Image Recognition") from torchvision, its classifier replaced by a projection."""

import logging
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from crossmodal.backbones.small_maps import use_small_maps
from crossmodal.torchvision_import import import_torchvision

log = logging.getLogger(__name__)

FEATURES = 512
PRETRAINED = "ImageNet weights"


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a backbone starts from.

    Attributes:
        name: `ImageNet weights` or `random weights`.
        note: one line for a person: which file or server, or why not.
        state: the backbone's `state_dict` without its classifier, None for random weights.
    """

    name: str
    note: str
    state: dict[str, torch.Tensor] | None = None


def resnet18() -> nn.Module:
    """A torchvision ResNet18 with random weights, without its classifier.

    Shape: input (n, 3, height, width) float32, output (n, 512).
    """
    network: nn.Module = import_torchvision().models.resnet18(weights=None)
    network.fc = nn.Identity()
    return use_small_maps(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def find_weights(file: Path | None, *, download: bool, timeout_s: float) -> Weights:
    """ImageNet weights when they can be had, random ones otherwise; never an exception, never a long wait.

    Args:
        file: a `state_dict` of torchvision's `resnet18`, tried first.
        download: ask torchvision's own loader (its cache first, then its server).
        timeout_s: longest wait for the server's first byte, and for each one after it.
    """
    if file is not None:
        return _from_file(file)
    if not download:
        return Weights("random weights", "Downloading is switched off and no weights file is named.")
    return _from_torchvision(timeout_s)


def _from_file(file: Path) -> Weights:
    if not file.is_file():
        return Weights("random weights", f"The weights file {file.name} does not exist, so training starts from random weights.")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        return Weights(PRETRAINED, f"Loaded from {file.name}.", _checked(state))
    except Exception as error:  # noqa: BLE001 - a broken file ends in many exception types; the reason goes to the log, the choice to the person
        log.warning("weights file %s refused: %s", file.name, type(error).__name__)
        return Weights(
            "random weights", f"The weights file {file.name} is not a ResNet18 state_dict, so training starts from random weights."
        )


def _from_torchvision(timeout_s: float) -> Weights:
    """Ask in a thread that may be left behind: no time-out reaches a name server that does not answer, and every address of the server gets
    its own. Once bytes arrive a slow line may take as long as it needs.
    """
    source = import_torchvision().models.ResNet18_Weights.DEFAULT
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(source.url).name
    answer: list[dict[str, torch.Tensor]] = []
    arrived = _arrived_bytes(file)
    loader = threading.Thread(target=_load, args=(source, timeout_s, answer), name="imagenet-weights", daemon=True)
    loader.start()
    loader.join(timeout_s)
    while loader.is_alive() and (file.exists() or _arrived_bytes(file) > arrived):
        arrived = _arrived_bytes(file)
        loader.join(timeout_s)
    try:
        return Weights(PRETRAINED, "Loaded by torchvision.", _checked(answer[0]))
    except (IndexError, ValueError):
        return Weights(
            "random weights",
            "ImageNet weights could not be downloaded, so training starts from random weights. Offline this is normal.",
        )


def _load(source: Any, timeout_s: float, answer: list[dict[str, torch.Tensor]]) -> None:
    before = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(timeout_s)  # torchvision's loader offers no time-out of its own
        answer.append(source.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except Exception as error:  # noqa: BLE001 - offline looks different on every system (URLError, OSError, RuntimeError for a bad hash)
        log.info("ImageNet weights not loaded: %s", type(error).__name__)
    finally:
        socket.setdefaulttimeout(before)


def _arrived_bytes(file: Path) -> int:
    """How much of a download lies beside its later place."""
    return sum(part.stat().st_size for part in file.parent.glob(f"{file.name}*.partial") if part.exists())


def _checked(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state without its classifier, in float32.

    Files of torch before 0.4 do not count the batches of their batch norms; nothing here needs that number, and 0 stands in for it.

    Raises:
        ValueError: it does not fit a ResNet18, or is not finite.
    """
    with torch.device("meta"):
        wanted = resnet18().state_dict()
    kept = {}
    for name, expected in wanted.items():
        value = state.get(name)
        if value is None and name.endswith("num_batches_tracked"):
            value = torch.zeros((), dtype=torch.int64)
        if not isinstance(value, torch.Tensor) or value.shape != expected.shape or not bool(value.isfinite().all()):
            raise ValueError(f"{name} does not fit a ResNet18")
        kept[name] = value.to(expected.dtype)
    return kept
