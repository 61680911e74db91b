"""Training data: the pictures of a source, decoded once into one file, with their captions and their split."""

import hashlib
import json
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from crossmodal.atomic import atomic_path, write_whole
from crossmodal.errors import CrossmodalError, TrainingError
from crossmodal.images.decoder import Decoder
from crossmodal.ingest.sources.base import Source
from crossmodal.items import Failure, Fit, Pixels, SourceRow
from crossmodal.progress import OnProgress, Progress, check_stop
from crossmodal.text.cleaning import words
from datasets import SimpleIndexDataset, group_numbers, held_out_hashes

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLIT_NAMES = {"train": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "dev": TEST, "test": TEST}
"""Accepted values of a `split` column. `dev` counts as test set, because no choice is based on it."""

VALIDATION_SHARE, TEST_SHARE = 0.05, 0.1
MIN_PICTURES = 8
_REPORT_EVERY = 64
_AHEAD = 4


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Pictures with captions, split into train, validation and test.

    Attributes:
        pixels: (n, size, size, 3) uint8, memory-mapped.
        captions: at least one text per picture.
        names: file or address of each picture.
        content_hashes: hashes of the picture files; equal pictures are on the same side.
        sides: `train`, `validation` or `test` for each picture.
        digest: of all the above; recorded in the run folder and part of cache keys.
    """

    pixels: Pixels
    captions: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    content_hashes: tuple[str, ...]
    sides: tuple[str, ...]
    digest: str

    def __len__(self) -> int:
        return len(self.captions)

    def side(self, name: str) -> list[int]:
        """Indices of the pictures on one side."""
        return [index for index, side in enumerate(self.sides) if side == name]

    def caption_indices(self, pictures: Sequence[int]) -> Tensor:
        """Indices of the captions of these pictures among all captions. Shape: (m,) int64."""
        first = list(accumulate((len(texts) for texts in self.captions), initial=0))
        return torch.tensor([first[index] + number for index in pictures for number in range(len(self.captions[index]))])

    def groups(self) -> list[int]:
        """Group number of each picture; pictures with equal first captions have the same number."""
        return group_numbers([texts[0] for texts in self.captions])


@dataclass(frozen=True, slots=True)
class _Decoded:
    row: SourceRow
    content_hash: str


def read_training_data(
    dataset: SimpleIndexDataset,
    decoder: Decoder,
    folder: Path,
    *,
    size: int,
    fit: Fit = "crop",
    max_pictures: int,
    on_progress: OnProgress,
    stop: threading.Event | None = None,
) -> tuple[TrainingData, list[Failure]]:
    """Decode the pictures that have texts into a file in `folder`, or reuse that of an earlier run over the same rows.

    The split is that of the source's `split` column, if it has one; else a tenth of the pictures is the test set. If the column has no
    validation set, it is a twentieth of the remaining pictures. Both are selected by content hash.

    Args:
        folder: cache folder.
        size, fit: side of the square pictures in pixels, and how they are made.
        max_pictures: maximum number of pictures; the first ones are used.

    Returns:
        The data, and the rows that cannot be used, each with its reason.

    Raises:
        SourceError: the source cannot be read.
        TrainingError: there are fewer than 8 pictures with texts.
        Stopped: `stop` was set.
    """
    rows, failures = _rows(dataset, max_pictures)
    folder.mkdir(parents=True, exist_ok=True)
    square = f"{size}" if fit == "crop" else f"{size}-{fit.replace(' ', '-')}"
    pixel_file = folder / f"pictures-{_key(rows, dataset.source)}-{square}.npy"
    list_file = pixel_file.with_suffix(".json")
    if not (pixel_file.is_file() and list_file.is_file()):
        _decode_all(rows, dataset, decoder, pixel_file, list_file, size=size, fit=fit, on_progress=on_progress, stop=stop)
    known = json.loads(list_file.read_text(encoding="utf-8"))
    kept = dict(known["kept"])
    # Lists written before version 0.2 say "catalogue".
    failures += [
        Failure(**{"source" if name == "catalogue" else name: value for name, value in failure.items()})
        for failure in known["failures"]
    ]
    used = [_Decoded(row, kept[row.key]) for row in rows if row.key in kept]
    if len(used) < MIN_PICTURES:
        raise TrainingError(
            "training_failed",
            f"{dataset.source.location} has {len(used)} pictures with words; training needs {MIN_PICTURES} at least.",
            remedy="Name a catalogue with more pictures and captions.",
        )
    pixels = np.load(pixel_file, mmap_mode="r", allow_pickle=False)
    return _data(used, pixels, size, fit), failures


def _rows(dataset: SimpleIndexDataset, max_pictures: int) -> tuple[list[SourceRow], list[Failure]]:
    rows: list[SourceRow] = []
    failures: list[Failure] = []
    for entry in dataset:
        if isinstance(entry, Failure):
            failures.append(entry)
        elif any(words(text) for text in texts_of(entry)) and len(rows) < max_pictures:
            rows.append(entry)
    return rows, failures


def _key(rows: Sequence[SourceRow], source: Source) -> str:
    """Digest of the rows and of the times and sizes of local picture files."""
    hashed = hashlib.sha256(source.location.encode("utf-8", "surrogatepass"))
    for row in rows:
        path = source.folder / row.location
        with suppress(OSError, ValueError):
            hashed.update(f"{path.stat().st_mtime_ns} {path.stat().st_size}".encode())
        hashed.update(f"\n{row.key}\n{row.location}\n".encode("utf-8", "surrogatepass"))
    return hashed.hexdigest()[:16]


def texts_of(row: SourceRow) -> tuple[str, ...]:
    """The captions of a row, or its title if it has none."""
    return tuple(text for text in (row.captions or (row.title,)) if words(text))


def _decode_all(
    rows: Sequence[SourceRow],
    dataset: SimpleIndexDataset,
    decoder: Decoder,
    pixel_file: Path,
    list_file: Path,
    *,
    size: int,
    fit: Fit,
    on_progress: OnProgress,
    stop: threading.Event | None,
) -> None:
    """Write the pictures of all rows that can be decoded, in order, and the list of them; both files are written atomically."""
    kept: list[tuple[str, str]] = []
    failures: list[Failure] = []
    with atomic_path(pixel_file, durable=False) as draft:
        pixels = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=(len(rows), size, size, 3))
        for done, (row, found) in enumerate(_ahead(rows, dataset, decoder, size, fit), start=1):
            check_stop(stop, "Reading the pictures")
            if isinstance(found, CrossmodalError):
                failures.append(
                    Failure(row.key, dataset.source.name, row.location, row.title, found.code, found.message, found.remedy)
                )
            else:
                pixels[len(kept)] = found[0]
                kept.append((row.key, found[1]))
            if done % _REPORT_EVERY == 0 or done == len(rows):
                on_progress(Progress("pictures", "Reading the pictures", done=done, total=len(rows), failed=len(failures)))
        pixels.flush()
    listing = {"kept": kept, "failures": [asdict(failure) for failure in failures]}
    write_whole(list_file, json.dumps(listing).encode())


def _ahead(
    rows: Sequence[SourceRow], dataset: SimpleIndexDataset, decoder: Decoder, size: int, fit: Fit
) -> Iterator[tuple[SourceRow, tuple[Pixels, str] | CrossmodalError]]:
    """Each row with its picture or error, in order; a few are decoded ahead."""

    def one(row: SourceRow) -> tuple[Pixels, str] | CrossmodalError:
        try:
            picture = decoder.decode(dataset.load(row), square_px=size, fit=fit)
        except CrossmodalError as error:
            return error
        return picture.pixels, picture.content_hash

    waiting: deque[tuple[SourceRow, Future[tuple[Pixels, str] | CrossmodalError]]] = deque()
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="pictures") as pool:
        for row in rows:
            waiting.append((row, pool.submit(one, row)))
            if len(waiting) >= 2 * _AHEAD:
                earliest, future = waiting.popleft()
                yield earliest, future.result()
        for earliest, future in waiting:
            yield earliest, future.result()


def _data(used: Sequence[_Decoded], pixels: Pixels, size: int, fit: Fit) -> TrainingData:
    captions = tuple(texts_of(entry.row) for entry in used)
    hashes = tuple(entry.content_hash for entry in used)
    sides = _sides([entry.row for entry in used], hashes)
    text = json.dumps([size if fit == "crop" else [size, fit], captions, hashes, sides])
    names = tuple(entry.row.location for entry in used)
    return TrainingData(pixels[: len(used)], captions, names, hashes, sides, hashlib.sha256(text.encode()).hexdigest())


def _sides(rows: Sequence[SourceRow], hashes: Sequence[str]) -> tuple[str, ...]:
    """The side of each row. Equal pictures get the same side: test before validation before train."""
    named = [SPLIT_NAMES.get(row.attributes.get("split", "").strip().lower()) for row in rows]
    if not any(side == TEST for side in named):
        test = held_out_hashes(hashes, TEST_SHARE, salt="test")
        named = [TEST if content in test else side for side, content in zip(named, hashes, strict=True)]
    if not any(side == VALIDATION for side in named):
        rest = [content for side, content in zip(named, hashes, strict=True) if side != TEST]
        validation = held_out_hashes(rest, VALIDATION_SHARE, salt="validation")
        named = [
            VALIDATION if side != TEST and content in validation else side for side, content in zip(named, hashes, strict=True)
        ]
    strictest: dict[str, str] = {}
    for content, side in zip(hashes, named, strict=True):
        strictest[content] = max(strictest.get(content, TRAIN), side or TRAIN, key=(TRAIN, VALIDATION, TEST).index)
    return tuple(strictest[content] for content in hashes)
