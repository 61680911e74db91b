"""The run folder: settings, history and results of a training run, and the state to resume it.

    settings.json   settings of the run                  history.jsonl   one line per epoch
    versions.json   python, torch, product, machine      events/         the same for TensorBoard
    data.json       counts and digest of the data        last.pt         state to resume from
    best.pt         best weights so far                  epoch-0010.pt   weights of every n-th epoch

Files are replaced atomically, and a line of the history is synced before the training continues. `last.pt` is authoritative: it includes
the history, and the other files are repaired from it on resume, in case the process was killed between two writes.
"""

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crossmodal import errors
from crossmodal.atomic import write_whole
from crossmodal.errors import CheckpointError, CheckpointMissing, TrainingError
from crossmodal.training.checkpoints import flatten_state, load_checkpoint, restore_state, save_checkpoint

LAST, BEST, HISTORY = "last.pt", "best.pt", "history.jsonl"
_FRESH = "Choose another folder, or continue this run with --resume."


class RunDir:
    """The files of one run.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, Any], data: Mapping[str, Any], *, product: str) -> "RunDir":
        """Start a run.

        Args:
            data: description of the training data; its `digest` is compared on resume.
            product: name and version of the product.

        Raises:
            TrainingError: the folder already contains a run.
            StoreError: `disk_full`, `read_only`.
        """
        folder = cls(path)
        if (path / "settings.json").exists() or (path / LAST).exists():
            raise TrainingError("training_failed", f"The folder {path} holds a training run already.", remedy=_FRESH)
        folder.write_json("versions.json", versions(product))
        folder.write_json("data.json", data)
        folder.write_json("settings.json", settings)
        return folder

    @classmethod
    def resume(cls, path: Path, settings: Mapping[str, Any], data: Mapping[str, Any]) -> "RunDir":
        """Open a run that was started with the same settings and data.

        Raises:
            TrainingError: there is no run in the folder, or a setting or the data's digest differs; the message names it.
        """
        folder = cls(path)
        before = _flat(folder._read("settings.json"))
        if before.get("processes") == 1:  # written before version 0.2
            del before["processes"]
        after = _flat(json.loads(json.dumps(settings)))
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                raise TrainingError(
                    "training_failed",
                    f"The run in {path} was begun with {name} = {before.get(name)!r}, not {after.get(name)!r}.",
                    remedy="Resume it with the settings in its settings.json, or begin a new run in another folder.",
                )
        known = folder._read("data.json").get("digest")
        if known != data.get("digest"):
            raise TrainingError(
                "training_failed",
                f"The data of the run in {path} have changed: digest {known}, now {data.get('digest')}.",
                remedy="Put the former pictures and captions back, or begin a new run in another folder.",
            )
        return folder

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Replace `last.pt`."""
        tensors, plain = flatten_state(dict(state))
        save_checkpoint(self.path / LAST, tensors, {"state": plain})

    def load_state(self) -> dict[str, Any] | None:
        """The last saved state; None if the run was killed before the first.

        Raises:
            CheckpointError: the file is damaged; best.pt may still be good. StoreError: the disk cannot be read.
        """
        try:
            kept = load_checkpoint(self.path / LAST)
        except CheckpointMissing:
            return None
        try:
            state: dict[str, Any] = restore_state(kept.state, kept.details["state"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                "checkpoint_invalid",
                f"The file {self.path / LAST} is not the state of a training ({type(error).__name__}).",
                remedy="Begin a new run; the weights in best.pt can still be used.",
            ) from error
        return state

    def save_weights(self, name: str, weights: Mapping[str, Tensor], line: Mapping[str, Any]) -> None:
        """Save weights with the history line of their epoch, for instance as `best.pt` or `epoch-0010.pt`."""
        save_checkpoint(self.path / name, weights, dict(line))

    def load_weights(self, name: str = BEST) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Saved weights and the history line of their epoch.

        Raises:
            CheckpointError: there is no such file, or it is damaged. StoreError: the disk cannot be read.
        """
        kept = load_checkpoint(self.path / name)
        return kept.state, kept.details

    def append_line(self, line: Mapping[str, Any]) -> None:
        """Append an epoch to `history.jsonl` and sync it to disk."""
        path = self.path / HISTORY
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise errors.from_oserror(error, path) from error

    def rewrite_history(self, lines: list[dict[str, Any]]) -> None:
        """Replace `history.jsonl`."""
        self._write(HISTORY, "".join(json.dumps(line) + "\n" for line in lines))

    def history(self) -> list[dict[str, Any]]:
        """The lines of `history.jsonl`; empty before the end of the first epoch."""
        try:
            text = (self.path / HISTORY).read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines()]

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace a JSON file of the folder."""
        self._write(name, json.dumps(content, indent=2, sort_keys=True) + "\n")

    def _read(self, name: str) -> dict[str, Any]:
        """A JSON file of the folder.

        Raises:
            TrainingError: it is missing or damaged.
        """
        try:
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TrainingError(
                "training_failed",
                f"The folder {self.path} is no training run: its {name} cannot be read.",
                remedy="Name the folder of a run that was begun with this program, or begin a new one.",
            ) from error
        if not isinstance(content, dict):
            raise TrainingError("training_failed", f"{self.path / name} is no JSON object.", remedy=_FRESH)
        return content

    def _write(self, name: str, text: str) -> None:
        write_whole(self.path / name, text.encode(), durable=True)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings by dotted names: `recipe.loss`."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= {f"{name}.{inner}": each for inner, each in _flat(value).items()} if isinstance(value, dict) else {name: value}
    return flat


def versions(product: str) -> dict[str, Any]:
    """Versions of the software and properties of the machine, for reproducibility."""
    return {
        "product": product,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
    }
