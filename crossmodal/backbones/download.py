"""Weights from torchvision's server, with a timeout, and from the cache of the Hugging Face hub's client."""

import logging
import math
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

log = logging.getLogger(__name__)

T = TypeVar("T")

CHECKPOINT = (("config.json",), ("model.safetensors", "pytorch_model.bin"))
"""Required files of a checkpoint; of each group, the first existing one is used."""


def in_time(
    work: Callable[[], T],
    timeout_s: float,
    arrived: Callable[[], float],
    *,
    wait: Callable[[threading.Thread, float], None] = threading.Thread.join,
) -> T | None:
    """The result of `work`; None if it fails, or if no byte arrives for `timeout_s` seconds.

    `work` runs in a thread that may be abandoned, because no timeout covers a name server that does not respond, and each address of a
    server has a timeout of its own. A slow connection may take as long as it needs.

    Args:
        arrived: number of bytes so far; infinity if all have arrived and only the last steps remain.
        wait: waits for the end of a thread, at most for a number of seconds.
    """
    answer: list[T] = []

    def run() -> None:
        try:
            answer.append(work())
        except Exception as error:  # noqa: BLE001 - offline looks different on every system and in every client
            log.info("weights not downloaded: %s", type(error).__name__)

    before = arrived()
    thread = threading.Thread(target=run, name="weights-download", daemon=True)
    thread.start()
    wait(thread, timeout_s)
    while thread.is_alive() and ((now := arrived()) > before or now == math.inf):
        before = now
        wait(thread, timeout_s)
    return answer[0] if answer else None


def from_torchvision(weights: Any, timeout_s: float) -> Mapping[str, torch.Tensor] | None:
    """The state_dict of one of torchvision's `…_Weights` entries, from its cache or its server; None if it is not available.

    Torch's loader has no timeout, and a default timeout of all sockets would affect other code, so `in_time` watches the download.

    Args:
        timeout_s: timeout of the server in seconds, for the first byte and between bytes.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name

    def work() -> Mapping[str, torch.Tensor]:
        if not file.exists():  # torch's own loader prints to stderr
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(weights.url, str(file), hash_prefix=file.stem.rpartition("-")[2], progress=False)
        return torch.load(file, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]

    def arrived() -> float:
        so_far = sum(_size(part) for part in file.parent.glob(f"{file.name}*.partial"))
        return math.inf if file.exists() else so_far  # checked last: the partial file is renamed to it

    return in_time(work, timeout_s, arrived)


def _size(part: Path) -> int:
    """Size in bytes of a file that may be renamed or deleted at any moment; 0 if it is gone."""
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def from_cache(repository: str) -> Path | None:
    """The folder of a checkpoint that another program downloaded with the client of the Hugging Face hub; None if there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import huggingface_hub
    folders = set()
    for names in CHECKPOINT:
        found = [path for name in names if isinstance(path := huggingface_hub.try_to_load_from_cache(repository, name), str)]
        folders.add(Path(found[0]).parent if found else None)
    return folders.pop() if len(folders) == 1 else None
