"""Pictures with words, for training and for the index.

The name of this file hides Hugging Face's `datasets` from whoever imports it here; therefore nothing in this project imports an encoder
library that asks for it, and this file imports none itself.
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
    """Training pairs: pictures decoded once and kept as bytes in memory, each with its titles or captions.

    A subset shares the pictures of the whole; only a batch copies them.

    Args:
        pixels: n pictures of one size, (size, size, 3) uint8 each; or one tensor (n, size, size, 3) of them.
        captions: for each picture at least one text.
        content_hashes: for each picture the hash of its file: equal files are never split between training and validation.

    Raises:
        ValueError: lengths differ, or a picture has no text.
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
        """From (pixels, texts, content hash) of each picture; pictures without a text are left out."""
        pixels, captions, content_hashes = [], [], []
        for picture, texts, content_hash in pairs:
            said = tuple(text for text in texts if words(text))
            if said:
                pixels.append(torch.from_numpy(picture))
                captions.append(said)
                content_hashes.append(content_hash)
        return cls(pixels, captions, content_hashes)

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        """One pair: pixels (size, size, 3) uint8 and the first text."""
        return self.pixels[index], self.captions[index][0]

    def batch(self, indices: Sequence[int]) -> Tensor:
        """The pictures at these places. Shape: (len(indices), size, size, 3) uint8; no index is an error."""
        return torch.stack([self.pixels[i] for i in indices])

    def subset(self, indices: Sequence[int]) -> "LostFoundDataset":
        """The pairs at these places, in this order."""
        chosen = list(indices)
        return LostFoundDataset(
            [self.pixels[i] for i in chosen], [self.captions[i] for i in chosen], [self.content_hashes[i] for i in chosen]
        )

    def split(self, share: float, *, salt: str) -> tuple["LostFoundDataset", "LostFoundDataset"]:
        """(rest, held out): `share` of the different pictures, rounded, chosen by `held_out_hashes`; equal files are on one side.

        Raises:
            TrainingError: so few different pictures that one side would be empty.
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
    """What the index is built from: a catalogue and the way from each row to the bytes of its picture.

    Nothing is read before it is asked for.

    Args:
        catalogue: rows of a CSV or a folder.
        fetch: a web address to bytes, guarded.
        max_image_bytes: largest picture file.
    """

    def __init__(self, source: Source, *, fetch: Callable[[str], bytes], max_image_bytes: int) -> None:
        self.source = source
        held = source.held if isinstance(source, HoldsPictures) else None
        self.load = PictureLoader(source.folder, fetch=fetch, max_image_bytes=max_image_bytes, held=held)

    def __iter__(self) -> Iterator[SourceRow | Failure]:
        """Each row, or the reason why it cannot be used."""
        return self.source.rows()


def group_numbers(titles: Sequence[str]) -> list[int]:
    """One number per different thing said: titles of equal words in any order share it."""
    numbers: dict[frozenset[str], int] = {}
    return [numbers.setdefault(title_key(title), len(numbers)) for title in titles]


def held_out_hashes(content_hashes: Sequence[str], share: float, *, salt: str) -> frozenset[str]:
    """`share` of the different hashes, rounded: those whose keyed digests are lowest, whatever their order and their number of copies.

    Other pictures that come or go move the border a little; all that lies away from it stays on its side.
    """
    different = sorted(
        set(content_hashes), key=lambda content: hashlib.blake2b(f"{salt}:{content}".encode(), digest_size=16).digest()
    )
    return frozenset(different[: round(share * len(different))])
