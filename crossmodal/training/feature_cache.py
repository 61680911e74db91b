"""On-disk cache of the features of frozen networks.

A cache is a folder for one encoding (network, preprocessing, view). Pictures and texts are identified by the digest of their content, so
equal content is stored once for all datasets and runs.

    values.bin   float16, the features of all positions, concatenated: (positions, features)
    rows.bin     one record per row: digest of the content, end position, checksum of its values, checksum of the record
    key.json     the encoding and the dimension

Values are synced to disk before their records, so whatever a kill leaves behind the last complete record is overwritten by the next block.

float16 rather than bfloat16: the features of the usual networks lie far inside ±65504, where the relative error of float16 is at most 2⁻¹¹
instead of 2⁻⁸.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from crossmodal import errors
from crossmodal.errors import TrainingError
from crossmodal.training.sampler import generator_for

FORMAT = 1
_RECORD = np.dtype([("content", "V32"), ("end", "<u8"), ("values", "<u4"), ("record", "<u4")])


def content_digest(content: bytes | str) -> bytes:
    """The identity of a picture's bytes or a text in a cache: SHA-256, 32 bytes."""
    return hashlib.sha256(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content).digest()


class FeatureCache:
    """Rows of features, each a sequence of vectors (regions of a picture, words of a text, or one vector).

    Args:
        root: folder of all caches.
        key: everything the features depend on (digest of the network, preprocessing, view, ...), as JSON.
        features: dimension of a vector.

    Attributes:
        path: the folder of this cache.

    Raises:
        StoreError: `disk_full`, `read_only`.
    """

    def __init__(self, root: Path, key: Mapping[str, object], *, features: int) -> None:
        text = json.dumps({"format": FORMAT, "key": key, "features": features}, sort_keys=True)
        self.path = root / hashlib.sha256(text.encode()).hexdigest()[:32]
        self.features = features
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not (self.path / "key.json").exists():  # for people: the name of the folder is the digest of it
                (self.path / "key.json").write_text(text, encoding="utf-8")
            for name in ("values.bin", "rows.bin"):
                (self.path / name).touch()
        except OSError as error:
            raise errors.from_oserror(error, self.path) from error
        self._place: dict[bytes, int] = {}
        self._ends = np.zeros(1, np.int64)
        self._sums = np.zeros(0, np.uint32)
        self._seen = 0
        self._values: npt.NDArray[np.float16] = np.zeros((0, features), np.float16)
        self._read_records()

    def __len__(self) -> int:
        return len(self._place)

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return int(self._ends[-1]) * self.features * 2

    def missing(self, contents: Sequence[bytes]) -> list[int]:
        """Indices of the contents that are not stored yet; of equal ones, the first only."""
        first = {content: i for i, content in reversed(list(enumerate(contents)))}
        return sorted(i for content, i in first.items() if content not in self._place)

    def append(self, contents: Sequence[bytes], values: Tensor, mask: Tensor | None = None) -> None:
        """Store a block and sync it to disk. Contents that are already stored, or repeated in the block, are skipped.

        Shape: values (n, length, features) or (n, features), any floating type; mask (n, length) bool, None if all positions are valid.
            Positions where the mask is False are not stored.

        Raises:
            TrainingError: a value is not finite or beyond float16, or another process wrote to the cache.
            StoreError: `disk_full`, `read_only`; nothing of the block is stored then.
        """
        values = values[:, None] if values.ndim == 2 else values
        if values.ndim != 3 or values.shape[2] != self.features or len(contents) != len(values):
            raise ValueError(f"{len(contents)} contents and values of shape {tuple(values.shape)} for {self.features} features")
        chosen = self.missing(contents)
        if not chosen:
            return
        kept = values.detach()[chosen].to("cpu", torch.float16)
        masks = mask.detach().cpu()[chosen] if mask is not None else torch.ones(kept.shape[:2], dtype=torch.bool)
        if not bool(kept[masks].isfinite().all()):
            raise TrainingError(
                "training_failed",
                "Features that are no finite numbers, or beyond 65504, cannot be cached.",
                remedy="Check the weights of the network; it answers with numbers that no training could use.",
            )
        rows = [row[present].contiguous().numpy() for row, present in zip(kept, masks, strict=True)]
        self._write([contents[i] for i in chosen], rows)

    def rows(self, contents: Sequence[bytes]) -> Tensor:
        """Row numbers of contents. Shape: (n,) int64; equal contents have equal rows.

        Raises:
            KeyError: a content is not stored.
        """
        return torch.tensor([self._place[content] for content in contents], dtype=torch.int64)

    def batch(self, rows: Tensor, *, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """Features by row number, zero-padded to the longest.

        Shape: rows (n,) int64 → values (n, length, features), mask (n, length) bool; n = 0 gives (0, 0, features).
        """
        chosen = rows.numpy()
        starts, ends = self._ends[chosen], self._ends[chosen + 1]
        lengths = ends - starts
        steps = np.arange(lengths.max(initial=0))
        present = steps < lengths[:, None]
        found = np.zeros((*present.shape, self.features), np.float16)
        found[present] = self._values[(starts[:, None] + steps)[present]]
        return torch.from_numpy(found).to(dtype), torch.from_numpy(present)

    def verify(self) -> None:
        """Compare all values with their checksums.

        Raises:
            TrainingError: a row differs; the message names the first.
        """
        for row, expected in enumerate(self._sums):
            if zlib.crc32(self._values[self._ends[row] : self._ends[row + 1]].tobytes()) != expected:
                raise TrainingError(
                    "training_failed",
                    f"The feature cache {self.path} is damaged at row {row}.",
                    remedy="Delete this folder; it is made anew from the pictures and texts.",
                )

    def _write(self, contents: list[bytes], rows: list[npt.NDArray[np.float16]]) -> None:
        records = np.zeros(len(rows), _RECORD)
        records["content"] = np.frombuffer(b"".join(contents), "V32")
        records["end"] = self._ends[-1] + np.cumsum([len(row) for row in rows])
        records["values"] = [zlib.crc32(row.tobytes()) for row in rows]
        records["record"] = _record_sums(records.tobytes())
        if (self.path / "rows.bin").stat().st_size != self._seen:
            raise TrainingError(
                "training_failed",
                f"Another process is writing to the feature cache {self.path}.",
                remedy="Let one training encode its pictures first, then start the second.",
            )
        try:
            _write_at(self.path / "values.bin", self.nbytes, b"".join(row.tobytes() for row in rows))
            _write_at(self.path / "rows.bin", len(self) * _RECORD.itemsize, records.tobytes())
        except OSError as error:
            self._seen = (self.path / "rows.bin").stat().st_size  # part of it may be written
            raise errors.from_oserror(error, self.path) from error
        self._take(records)
        self._seen = len(self) * _RECORD.itemsize

    def _read_records(self) -> None:
        """Read the records up to the first incomplete or damaged one."""
        raw = (self.path / "rows.bin").read_bytes()
        records = np.frombuffer(raw[: len(raw) - len(raw) % _RECORD.itemsize], _RECORD)
        fits = (records["record"] == _record_sums(records.tobytes())) & (
            records["end"] * (self.features * 2) <= (self.path / "values.bin").stat().st_size
        )
        whole = int(fits.argmin()) if not fits.all() else len(records)
        self._take(records[:whole])
        self._seen = len(raw)  # a partial record at the end is truncated by the next write, not by a reader

    def _take(self, records: npt.NDArray[np.void]) -> None:
        for content in records["content"]:
            self._place[bytes(content)] = len(self._place)
        self._ends = np.concatenate((self._ends, records["end"].astype(np.int64)))
        self._sums = np.concatenate((self._sums, records["values"]))
        if self.nbytes:  # an empty file cannot be mapped
            shape = (int(self._ends[-1]), self.features)
            self._values = np.memmap(self.path / "values.bin", np.float16, "r", shape=shape)


def _record_sums(raw: bytes) -> list[int]:
    size = _RECORD.itemsize
    return [zlib.crc32(raw[start : start + size - 4]) for start in range(0, len(raw), size)]


def _write_at(path: Path, position: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.truncate(position)
        file.seek(position)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


PLAIN, MIRRORED = 0, 1
SMALLEST_CROP = 0.75
"""Minimum side of a crop as a share of the picture's."""


def view_of(pixels: npt.NDArray[np.uint8], view: int, names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """A view of pictures: deterministic for a name and a view.

    Args:
        view: 0 original, 1 mirrored, 2 and more a random square crop, mirrored with probability 1/2.
        names: of each picture, for instance its content hash; seeds its crop.

    Shape: (n, size, size, 3) uint8 → the same.
    """
    if view == PLAIN:
        return pixels
    if view == MIRRORED:
        return np.ascontiguousarray(pixels[:, :, ::-1])
    return np.stack([_crop(picture, view, name) for picture, name in zip(pixels, names, strict=True)])


def _crop(picture: npt.NDArray[np.uint8], view: int, name: str) -> npt.NDArray[np.uint8]:
    size = len(picture)
    rand = torch.rand(4, generator=generator_for(0, "crop", view, name)).tolist()
    side = round(size * (SMALLEST_CROP + rand[0] * (1 - SMALLEST_CROP)))
    down, right = (int(value * (size - side + 1)) for value in rand[1:3])
    part = picture[down : down + side, right : right + side]
    part = part[:, ::-1] if rand[3] < 0.5 else part
    image = torch.from_numpy(np.ascontiguousarray(part)).permute(2, 0, 1)[None].float()
    scaled = functional.interpolate(image, size=(size, size), mode="bilinear", antialias=True)
    return scaled[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
