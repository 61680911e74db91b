"""A picture format, a decoder and an encoder that compute in microseconds, and rows made of text."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from crossmodal.errors import PictureError
from crossmodal.ingest.sources.base import Entry
from crossmodal.items import Embedding, Fit, Picture, Pixels, SourceRow

SQUARE_PX = 4
DIM = 8


def picture_bytes(text: str) -> bytes:
    """A file that `FakeDecoder` takes for a picture of `text`."""
    return b"PIX:" + text.encode()


class FakeDecoder:
    """Pixels are made of the bytes' digest, so different files give different pixels. Counts what it was asked for."""

    def __init__(self) -> None:
        self.decoded: list[bytes] = []
        self._lock = threading.Lock()

    def decode(self, data: bytes, *, square_px: int, fit: Fit = "crop") -> Picture:
        if not data.startswith(b"PIX:"):
            raise PictureError("not_an_image", f"These {len(data)} bytes are not a picture.", remedy="Choose another file.")
        with self._lock:
            self.decoded.append(data)
        digest = hashlib.sha256(data).digest()
        pixels = np.resize(np.frombuffer(digest, np.uint8), (square_px, square_px, 3))
        return Picture(digest.hex(), 10, 20, pixels, rendition=b"large" + data, thumbnail=b"small" + data)


class FakeEncoder:
    """Unit vectors that depend on the pixels; remembers the size of each batch."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    @property
    def encoded(self) -> int:
        return sum(self.batches)

    def __call__(self, pixels: Pixels) -> Embedding:
        assert pixels.dtype == np.uint8
        assert pixels.shape[1:] == (SQUARE_PX, SQUARE_PX, 3)
        self.batches.append(len(pixels))
        return expected_embedding(pixels)


def expected_embedding(pixels: Pixels) -> Embedding:
    """What `FakeEncoder` gives for (n, 4, 4, 3) pixels: (n, 8), length 1."""
    vectors = pixels.reshape(len(pixels), -1)[:, :DIM].astype(np.float32) + 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class FakeSource:
    """Rows from memory."""

    kind = "csv"
    location = "memory"

    def __init__(self, rows: list[Entry], *, folder: Path, name: str = "fake") -> None:
        self.entries = rows
        self.folder = folder
        self.name = name
        self.label = name
        self.duplicates = 0

    def survey(self) -> int:
        return len(self.entries)

    def rows(self) -> Iterator[Entry]:
        return iter(self.entries)


def folder_of_pictures(folder: Path, count: int, *, prefix: str = "thing") -> list[SourceRow]:
    """Write `count` different pictures and give a row for each."""
    rows = []
    for number in range(count):
        name = f"{prefix}{number:03}.jpg"
        (folder / name).write_bytes(picture_bytes(f"{prefix} {number}"))
        rows.append(SourceRow(key=name, title=f"{prefix} {number}", location=name, line=number + 2))
    return rows
