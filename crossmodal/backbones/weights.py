"""Where weights come from, in one order for every family: the file a person named, the weights folder, a server; and whether they fit."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from crossmodal.errors import WeightsError

log = logging.getLogger(__name__)

SUFFIXES = (".safetensors", ".pt", ".pth")


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """Where a backbone may look.

    Attributes:
        folder: the weights folder, searched by the backbone's name; None leaves it out.
        file: a file or folder that a person named for this backbone; nothing else is looked at then.
        download: whether a server may be asked when nothing is at hand.
        timeout_s: longest wait for the server's first byte, and for each one after it.
    """

    folder: Path | None = None
    file: Path | None = None
    download: bool = False
    timeout_s: float = 5.0

    def place(self, name: str) -> str:
        """How a file of the weights folder is called in a message: from the working folder where it lies in it."""
        wanted = (self.folder or Path("weights")) / name
        return str(wanted.relative_to(Path.cwd()) if wanted.is_relative_to(Path.cwd()) else wanted)


def local_file(source: WeightsSource, *names: str) -> Path | None:
    """The file to read: the named one, else the first of `names` in the weights folder, with any of the usual endings.

    Raises:
        WeightsError: the named file does not exist.
    """
    if source.file is not None:
        if not source.file.is_file():
            raise missing(f"The weights file {source.file.name} does not exist.", "Name a file that does.")
        return source.file
    folder = source.folder
    wanted = [folder / f"{name}{suffix}" for name in names for suffix in ("", *SUFFIXES)] if folder else []
    return next((file for file in wanted if file.is_file()), None)


def local_folder(source: WeightsSource, *names: str) -> Path | None:
    """The same for a folder with a checkpoint in it.

    Raises:
        WeightsError: the named folder does not exist.
    """
    if source.file is not None:
        if not source.file.is_dir():
            raise missing(
                f"There is no folder {source.file.name}.", "Name the folder that holds config.json and model.safetensors."
            )
        return source.file
    wanted = [source.folder / name for name in names] if source.folder else []
    return next((folder for folder in wanted if (folder / "config.json").is_file()), None)


def read_state(file: Path) -> Mapping[str, object]:
    """The tensors of a file; nothing in it is executed.

    Raises:
        WeightsError: it is no such file.
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(file))
        found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        log.warning("weights file %s refused: %s", file.name, type(error).__name__)
        raise missing(f"The weights file {file.name} cannot be read.", "Put back a file that was downloaded whole.") from error
    if not isinstance(found, Mapping):
        raise missing(f"The weights file {file.name} holds no state_dict.", "Name a file that torch.save wrote from a state_dict.")
    return found


def fitted(state: Mapping[str, object], wanted: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
    """The tensors a network wants, in its number format; whatever else a file holds (a classifier) is left.

    Files of torch before 0.4 do not count the batches of their batch norms; nothing here needs that number, and 0 stands in for it.

    Raises:
        ValueError: one is missing, of another shape, or not finite.
    """
    kept = {}
    for name, expected in wanted.items():
        value = state.get(name)
        if value is None and name.endswith("num_batches_tracked"):
            value = torch.zeros((), dtype=torch.int64)
        dense = isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta
        if not isinstance(value, Tensor) or not dense or value.shape != expected.shape or not bool(value.isfinite().all()):
            raise ValueError(f"{name} does not fit {what}")
        kept[name] = value.detach().to(expected.dtype)
    return kept


def load_fitted(network: nn.Module, state: Mapping[str, object], *, what: str, file: str) -> None:
    """Put a state into a network, or say why not.

    Raises:
        WeightsError: it does not fit.
    """
    try:
        network.load_state_dict(fitted(state, network.state_dict(), what))
    except ValueError as error:
        raise missing(f"{file} is not a state_dict of {what}: {error}.", f"Put one of {what} in its place.") from error


def missing(message: str, remedy: str) -> WeightsError:
    """The error of weights that are not there or not usable."""
    return WeightsError("weights_missing", message, remedy=remedy)
