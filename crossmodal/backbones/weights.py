"""Finding and checking weights: a file named by the user, the weights folder, then a download."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from crossmodal.errors import WeightsError
from crossmodal.progress import OnProgress, ignore_progress

log = logging.getLogger(__name__)

SUFFIXES = (".safetensors", ".pt", ".pth")


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """Where the weights of a backbone may come from.

    Attributes:
        folder: the weights folder, searched by the name of the backbone; None for no folder.
        file: a file or folder named by the user; if set, nothing else is tried.
        download: whether weights that are not on disk are downloaded.
        timeout_s: timeout of the server in seconds, for its first answer.
        on_progress: of a download.
        stop: stops it.
    """

    folder: Path | None = None
    file: Path | None = None
    download: bool = False
    timeout_s: float = 5.0
    on_progress: OnProgress = ignore_progress
    stop: threading.Event | None = None

    def place(self, name: str) -> str:
        """The path of a file in the weights folder for messages, relative to the working directory if it is inside."""
        wanted = (self.folder or Path("weights")) / name
        return str(wanted.relative_to(Path.cwd()) if wanted.is_relative_to(Path.cwd()) else wanted)


def local_file(source: WeightsSource, *names: str) -> Path | None:
    """The weights file named by the user, else the first of `names` in the weights folder, with one of `SUFFIXES`; None if missing.

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
    """The checkpoint folder named by the user, else the first of `names` in the weights folder; None if missing.

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
    """The tensors of a weights file; loads no code.

    Raises:
        WeightsError: the file cannot be read as tensors by name.
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
    """The tensors of a network from a state_dict, in the dtypes of the network; other tensors (a classifier) are ignored.

    Files of torch before 0.4 lack `num_batches_tracked` of batch norms, which is not needed here and set to 0.

    Raises:
        ValueError: a tensor is missing, has another shape, or is not finite.
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
    """Load a state_dict into a network.

    Raises:
        WeightsError: it does not fit the network.
    """
    try:
        network.load_state_dict(fitted(state, network.state_dict(), what))
    except ValueError as error:
        raise missing(f"{file} is not a state_dict of {what}: {error}.", f"Put one of {what} in its place.") from error


def missing(message: str, remedy: str) -> WeightsError:
    """The error of weights that are missing or not usable."""
    return WeightsError("weights_missing", message, remedy=remedy)
