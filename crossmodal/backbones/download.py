"""Download of weights from torchvision and the Hugging Face hub through their own clients, with a timeout."""

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
EXTRAS = ("preprocessor_config.json", "tokenizer_config.json", "tokenizer.json", "special_tokens_map.json")
"""Optional small files."""
VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model")
"""Optional files of repositories without `tokenizer.json`."""


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


def from_hub(repository: str, *, download: bool, timeout_s: float) -> Path | None:
    """The folder of a checkpoint of the Hugging Face hub, from its cache or its server; None if it is not available.

    Args:
        repository: `organisation/name`.
        download: whether it may be downloaded.
        timeout_s: timeout of the server in seconds, for the first byte and between bytes.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import huggingface_hub
        import huggingface_hub.utils.logging

        huggingface_hub.utils.logging.set_verbosity(logging.CRITICAL)  # errors are reported by the caller
    if (folder := _cached(huggingface_hub, repository)) is not None or not download:
        return folder
    counter = _counting_bar(huggingface_hub)
    return in_time(lambda: _fetch(huggingface_hub, repository, timeout_s, counter), timeout_s, lambda: counter.received)


def _cached(hub: Any, repository: str) -> Path | None:
    """The folder in the client's cache, if it contains a complete checkpoint."""
    folders = set()
    for names in CHECKPOINT:
        found = [path for name in names if isinstance(path := hub.try_to_load_from_cache(repository, name), str)]
        folders.add(Path(found[0]).parent if found else None)
    return folders.pop() if len(folders) == 1 else None


def _fetch(hub: Any, repository: str, timeout_s: float, bar: Any) -> Path:
    """Download file by file in this thread: the client's own threads would delay the exit of the program."""

    def fetch(name: str) -> bool:
        try:
            hub.hf_hub_download(repository, name, etag_timeout=timeout_s, tqdm_class=bar)
        except hub.errors.EntryNotFoundError as error:
            if isinstance(error, hub.errors.LocalEntryNotFoundError):  # the server does not respond
                raise
            return False
        bar.received += 1  # a cached file does not update the bar
        return True

    fetch("config.json")
    has = {name for name in EXTRAS if fetch(name)}
    if "tokenizer.json" not in has:
        for name in VOCABULARIES:
            fetch(name)
    any(fetch(name) for name in CHECKPOINT[1])
    folder = _cached(hub, repository)
    if folder is None:
        raise FileNotFoundError(repository)
    return folder


def _counting_bar(hub: Any) -> Any:
    """A subclass of the hub's progress bar that draws nothing and counts bytes."""

    class Counting(hub.utils.tqdm):  # type: ignore[misc]
        received = 0.0

        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            Counting.received += abs(n or 0)
            return None

    return Counting
