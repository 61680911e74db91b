"""Tensors of a checkpoint folder as views of its files: what a network does not touch is never read into memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crossmodal.backbones.layers import skip_init
from crossmodal.hub.files import weight_files


def mapped_tensors(folder: Path, renamed: dict[str, str]) -> dict[str, Tensor]:
    """The tensors whose names begin with one of these prefixes, with another prefix in its place.

    They are views of the files, so the files must not be changed in place while a network uses them.

    Args:
        renamed: prefix in the file → prefix in the result.

    Raises:
        Exception: the files are missing or damaged; which exception depends on their format.
    """
    found = {}
    for file in weight_files(folder):
        for name, read in _listed(file):
            old = next((prefix for prefix in renamed if name.startswith(prefix)), None)
            if old is not None:
                found[renamed[old] + name.removeprefix(old)] = read()
    return found


def _listed(file: Path) -> Iterator[tuple[str, Any]]:
    if file.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a mapping
                yield name, lambda name=name: tensors.get_tensor(name)
        return
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # a file of torch before 1.6 cannot be mapped
        state = torch.load(file, map_location="cpu", weights_only=True)
    for name, value in state.items():
        yield name, lambda value=value: value


def fill(network: nn.Module, tensors: dict[str, Tensor]) -> nn.Module:
    """Give a network that was built on the meta device these tensors, in float32; those it has no place for are ignored.

    Raises:
        ValueError: a tensor is missing, has another shape or is not finite; the message is its name.
    """
    wanted = network.state_dict()
    for name, expected in wanted.items():
        value = tensors.get(name)
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.shape != expected.shape:
            raise ValueError(name)
        if not bool(value.sum(dtype=torch.float64).isfinite()):  # without a copy, as `isfinite` of a large table would make
            raise ValueError(name)
    network.load_state_dict({name: tensors[name].detach().to(wanted[name].dtype) for name in wanted}, assign=True)
    return network


def on_meta(build: Any, *args: Any) -> Any:
    """Call a constructor so that no weights are allocated or initialised."""
    with torch.device("meta"), skip_init():
        return build(*args)
