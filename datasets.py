"""Datasets of pictures with texts, for training and for indexing.

This file's name shadows Hugging Face's `datasets`; therefore nothing in this project imports a library that depends on it, and this file
imports no encoder library.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from crossmodal.errors import TrainingError
from crossmodal.ingest.picture_loader import PictureLoader
from crossmodal.ingest.sources.base import HoldsPictures, Source
from crossmodal.items import Failure, Pixels, SourceRow
from crossmodal.text.cleaning import plain_text, title_key, words


class LostFoundDataset(Dataset[tuple[Tensor, str]]):
    """Training pairs: pictures decoded once and kept in memory as bytes, each with its titles or captions.

    Subsets share the pictures; only batches copy them.

    Args:
        pixels: n pictures of one size, (size, size, 3) uint8 each; or one tensor (n, size, size, 3) of them.
        captions: at least one text per picture.
        content_hashes: hash of each picture's file; equal files are never split between training and validation.

    Raises:
        ValueError: the lengths differ, or a picture has no text.
    """

    def __init__(
        self, pixels: Sequence[Tensor] | Tensor, captions: Sequence[tuple[str, ...]], content_hashes: Sequence[str]
    ) -> None:
        if not len(pixels) == len(captions) == len(content_hashes) or not all(captions):
            raise ValueError(
                f"{len(pixels)} pictures, {len(captions)} captions, {len(content_hashes)} hashes; every picture needs a text"
            )
        self.pixels = list(pixels)
        self.captions = [tuple(plain_text(text) for text in texts) for texts in captions]
        self.content_hashes = list(content_hashes)
        self.groups = group_numbers([texts[0] for texts in self.captions])

    @classmethod
    def collect(cls, pairs: Iterable[tuple[Pixels, tuple[str, ...], str]]) -> "LostFoundDataset":
        """Build from (pixels, texts, content hash) of each picture; pictures without text are skipped."""
        pixels, captions, content_hashes = [], [], []
        for picture, texts, content_hash in pairs:
            usable = tuple(text for text in texts if words(text))
            if usable:
                pixels.append(torch.from_numpy(picture))
                captions.append(usable)
                content_hashes.append(content_hash)
        return cls(pixels, captions, content_hashes)

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        """One pair: pixels (size, size, 3) uint8 and the first text."""
        return self.pixels[index], self.captions[index][0]

    def batch(self, indices: Sequence[int]) -> Tensor:
        """The pictures at these indices, at least one. Shape: (len(indices), size, size, 3) uint8."""
        return torch.stack([self.pixels[i] for i in indices])

    def subset(self, indices: Sequence[int]) -> "LostFoundDataset":
        """The pairs at these indices, in this order."""
        chosen = list(indices)
        return LostFoundDataset(
            [self.pixels[i] for i in chosen], [self.captions[i] for i in chosen], [self.content_hashes[i] for i in chosen]
        )

    def split(self, share: float, *, salt: str) -> tuple["LostFoundDataset", "LostFoundDataset"]:
        """Split into (rest, held out): `share` of the distinct pictures, rounded, chosen by `held_out_hashes`.

        Raises:
            TrainingError: too few distinct pictures, so that one side would be empty.
        """
        held_out = held_out_hashes(self.content_hashes, share, salt=salt)
        if not held_out or len(held_out) == len(set(self.content_hashes)):
            raise TrainingError(
                "training_failed",
                f"{len(set(self.content_hashes))} different pictures with titles cannot be split into training and validation.",
                remedy="Add more pictures with titles.",
            )
        rest = [i for i, content in enumerate(self.content_hashes) if content not in held_out]
        held = [i for i, content in enumerate(self.content_hashes) if content in held_out]
        return self.subset(rest), self.subset(held)


class SimpleIndexDataset:
    """A source together with the loader of its rows' pictures, from which the index is built.

    Rows and pictures are read lazily.

    Args:
        source: the source of rows.
        fetch: guarded fetcher of a URL.
        max_image_bytes: maximum size of a picture file.
    """

    def __init__(self, source: Source, *, fetch: Callable[[str], bytes], max_image_bytes: int) -> None:
        self.source = source
        held = source.held if isinstance(source, HoldsPictures) else None
        self.load = PictureLoader(source.folder, fetch=fetch, max_image_bytes=max_image_bytes, held=held)

    def __iter__(self) -> Iterator[SourceRow | Failure]:
        """Yield each row, or a `Failure` if it cannot be used."""
        return self.source.rows()


def group_numbers(titles: Sequence[str]) -> list[int]:
    """Number titles by content: titles with the same words in any order get the same number."""
    numbers: dict[frozenset[str], int] = {}
    return [numbers.setdefault(title_key(title), len(numbers)) for title in titles]


def held_out_hashes(content_hashes: Sequence[str], share: float, *, salt: str) -> frozenset[str]:
    """Select `share` of the distinct hashes, rounded: those with the lowest keyed digests, independent of order and multiplicity.

    When pictures are added or removed, only hashes near the threshold change sides.
    """
    different = sorted(
        set(content_hashes), key=lambda content: hashlib.blake2b(f"{salt}:{content}".encode(), digest_size=16).digest()
    )
    return frozenset(different[: round(share * len(different))])
