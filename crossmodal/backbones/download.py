"""Weights from a server, in a time a person waits for: torchvision's and the Hugging Face hub, each through its own client."""

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
"""Files without which a folder of the hub is no checkpoint; of several in a group the first one that is there is taken."""
EXTRAS = ("preprocessor_config.json", "tokenizer_config.json", "tokenizer.json", "special_tokens_map.json")
"""Small files that are fetched where a repository has them."""
VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model")
"""The same for repositories without `tokenizer.json`."""


def in_time(
    work: Callable[[], T],
    timeout_s: float,
    arrived: Callable[[], float],
    *,
    wait: Callable[[threading.Thread, float], None] = threading.Thread.join,
) -> T | None:
    """What `work` answers; None when it fails, or when `timeout_s` go by without a new byte.

    It runs in a thread that may be left behind: no time-out reaches a name server that does not answer, and every address of a server gets
    its own. Once bytes arrive a slow line may take as long as it needs.

    Args:
        arrived: bytes so far; infinity when all are there and only the last steps remain.
        wait: waits for the end of a thread, at most so many seconds.
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
    """The state_dict of one of torchvision's `…_Weights` entries, from its cache or its server; None when it cannot be had.

    Torch's loader takes no time-out, and one for all sockets would reach those of others: `in_time` alone watches this download.

    Args:
        timeout_s: longest wait for the server's first byte, and for each one after it.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name

    def work() -> Mapping[str, torch.Tensor]:
        if not file.exists():  # the loader that does all of this at once prints what it does
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(weights.url, str(file), hash_prefix=file.stem.rpartition("-")[2], progress=False)
        return torch.load(file, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]

    def arrived() -> float:
        so_far = sum(_size(part) for part in file.parent.glob(f"{file.name}*.partial"))
        return math.inf if file.exists() else so_far  # looked for last: the partial file is renamed to it

    return in_time(work, timeout_s, arrived)


def _size(part: Path) -> int:
    """Bytes of a file that its writer may rename or delete at any moment; 0 when it is gone."""
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def from_hub(repository: str, *, download: bool, timeout_s: float) -> Path | None:
    """The folder of a checkpoint on the Hugging Face hub, from its cache or its server; None when it cannot be had.

    Args:
        repository: `organisation/name`.
        download: whether the server may be asked.
        timeout_s: longest wait for the server's first byte, and for each one after it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import huggingface_hub
        import huggingface_hub.utils.logging

        huggingface_hub.utils.logging.set_verbosity(logging.CRITICAL)  # what matters of it is said in our own words
    if (folder := _cached(huggingface_hub, repository)) is not None or not download:
        return folder
    heard = _counting_bar(huggingface_hub)
    return in_time(lambda: _fetch(huggingface_hub, repository, timeout_s, heard), timeout_s, lambda: heard.received)


def _cached(hub: Any, repository: str) -> Path | None:
    """The folder in the client's cache, when all of a checkpoint is in it."""
    folders = set()
    for names in CHECKPOINT:
        found = [path for name in names if isinstance(path := hub.try_to_load_from_cache(repository, name), str)]
        folders.add(Path(found[0]).parent if found else None)
    return folders.pop() if len(folders) == 1 else None


def _fetch(hub: Any, repository: str, timeout_s: float, bar: Any) -> Path:
    """One file after another in this thread: the client's own crowd of threads would outlive us and hold up the end of the program."""

    def fetch(name: str) -> bool:
        try:
            hub.hf_hub_download(repository, name, etag_timeout=timeout_s, tqdm_class=bar)
        except hub.errors.EntryNotFoundError as error:
            if isinstance(error, hub.errors.LocalEntryNotFoundError):  # not "it has no such file" but "nobody answers"
                raise
            return False
        bar.received += 1  # a file that was in the cache moves no bar
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
    """A progress bar of the hub's kind that draws nothing and counts."""

    class Counting(hub.utils.tqdm):  # type: ignore[misc]
        received = 0.0

        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            Counting.received += abs(n or 0)
            return None

    return Counting
