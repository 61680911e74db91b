"""What the frozen part of a tower says to pictures and texts: encoded once, kept on the disk, read by every epoch."""

import copy
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from crossmodal.backbones.base import Features, ImageBackbone
from crossmodal.inference import fold_batch_norms, has_bf16
from crossmodal.progress import OnProgress, Progress, check_stop
from crossmodal.training.feature_cache import FeatureCache, content_digest
from crossmodal.training.views import view_of
from encoders import ImageEncoder, TextEncoder, Tower
from experiments.data import TRAIN, VALIDATION, TrainingData

_PICTURES, _TEXTS = 32, 128


class FrozenPictures:
    """Features of the pictures that are learned from and chosen by, at the cut before the blocks that learn.

    Args:
        blocks: how many blocks learn.
        views: see `view_of`.
    """

    def __init__(self, encoder: ImageEncoder, data: TrainingData, folder: Path, *, blocks: int, views: int) -> None:
        self._encoder, self._data, self._blocks = encoder, data, blocks
        self._pools = pools_first(encoder, blocks)
        keys = [_key(encoder, blocks, pooled=self._pools, view=view, size=data.pixels.shape[1]) for view in range(views)]
        features = _features_at(encoder, blocks, encoder.inputs(data.pixels[:1]))
        self._caches = [FeatureCache(folder, key, features=features) for key in keys]
        self._contents = [bytes.fromhex(content) for content in data.content_hashes]

    def encode(self, on_progress: OnProgress, stop: threading.Event | None = None) -> None:
        """Make what is missing."""
        network = cast(ImageBackbone, fold_batch_norms(copy.deepcopy(self._encoder.backbone).eval()))
        todo = []
        for view, cache in enumerate(self._caches):
            places = self._seen_in(view)
            todo += [(view, places[i]) for i in cache.missing([self._contents[place] for place in places])]
        for done, view, places in _parts(todo, _PICTURES):
            check_stop(stop, "Encoding the pictures")
            names = [self._data.content_hashes[place] for place in places]
            pixels = view_of(self._data.pixels[places], view, names)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=has_bf16()):
                found = network.stem(self._encoder.inputs(pixels), self._blocks)
            values, mask = _pooled(self._encoder, found) if self._pools else found
            self._caches[view].append([self._contents[place] for place in places], values, mask)
            on_progress(Progress("features", "Encoding the pictures once", done=done, total=len(todo)))

    def ready(self) -> None:
        """Look up where each picture lies, after `encode`."""
        self._rows = []
        for view, cache in enumerate(self._caches):
            places = torch.tensor(self._seen_in(view), dtype=torch.int64)
            rows = torch.full((len(self._contents),), -1, dtype=torch.int64)
            rows[places] = cache.rows([self._contents[place] for place in places.tolist()])
            self._rows.append(rows)

    def batch(self, places: Tensor, views: Tensor) -> Features:
        """Features of pictures. Shape: places and views (n,) int64 → (n, length, channels)."""
        parts = {view: self._caches[view].batch(self._rows[view][places[views == view]]) for view in sorted(set(views.tolist()))}
        order = torch.cat([(views == view).nonzero()[:, 0] for view in parts]).argsort()
        values, masks = (torch.cat([part[i] for part in parts.values()])[order] for i in (0, 1))
        return Features(values, masks)

    def _seen_in(self, view: int) -> list[int]:
        """Pictures that are looked at in a view: other views are for learning only, and the test side is measured with the whole model."""
        learned = self._data.side(TRAIN)
        return learned if view else sorted([*learned, *self._data.side(VALIDATION)])

    @property
    def views(self) -> int:
        """How many views there are."""
        return len(self._caches)


class FrozenTexts:
    """The same for all captions of all pictures, one after the other."""

    def __init__(self, encoder: TextEncoder, texts: Sequence[str], folder: Path, *, blocks: int) -> None:
        self._encoder, self._texts, self._blocks = encoder, list(texts), blocks
        self._pools = pools_first(encoder, blocks)
        with torch.inference_mode():
            features = encoder.eval().backbone.stem(self._texts[:1], blocks).values.shape[2]
        self._cache = FeatureCache(folder, _key(encoder, blocks, pooled=self._pools), features=features)
        self._contents = [content_digest(text) for text in self._texts]

    def encode(self, on_progress: OnProgress, stop: threading.Event | None = None) -> None:
        """Make what is missing."""
        network = copy.deepcopy(self._encoder.backbone).eval()
        todo = [(0, place) for place in self._cache.missing(self._contents)]
        todo.sort(key=lambda entry: len(self._texts[entry[1]]))  # texts of one length together waste little on padding
        for done, _, places in _parts(todo, _TEXTS):
            check_stop(stop, "Encoding the captions")
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=has_bf16()):
                found = network.stem([self._texts[place] for place in places], self._blocks)
            values, mask = _pooled(self._encoder, found) if self._pools else found
            self._cache.append([self._contents[place] for place in places], values, mask)
            on_progress(Progress("features", "Encoding the captions once", done=done, total=len(todo)))

    def ready(self) -> None:
        """Look up where each text lies, after `encode`."""
        self._rows = self._cache.rows(self._contents)

    def batch(self, places: Tensor) -> Features:
        """Features of texts. Shape: places (n,) int64 → (n, longest, channels)."""
        return Features(*self._cache.batch(self._rows[places]))


def pools_first(tower: Tower, blocks: int) -> bool:
    """Whether one vector can be kept in place of the whole sequence: nothing behind it learns, and pooling one vector changes nothing."""
    return blocks == 0 and not list(tower.pooling.parameters())


def _pooled(tower: Tower, found: Features) -> Features:
    pooled = tower.pool(Features(found.values.float(), found.mask))[:, None]
    return Features(pooled, torch.ones(pooled.shape[:2], dtype=torch.bool))


def _key(tower: Tower, blocks: int, *, pooled: bool, **more: int) -> dict[str, object]:
    pooling = type(tower.pooling).__name__ if pooled else ""
    return {"backbone": tower.backbone.digest(), "blocks": blocks, "pooling": pooling, "bf16": has_bf16(), **more}


def _features_at(encoder: ImageEncoder, blocks: int, images: Tensor) -> int:
    with torch.inference_mode():
        return encoder.eval().backbone.stem(images, blocks).values.shape[2]


def _parts(todo: Sequence[tuple[int, int]], size: int) -> Iterator[tuple[int, int, list[int]]]:
    """(how many are done with it, view, places) of each part; a part is of one view."""
    start = 0
    while start < len(todo):
        view = todo[start][0]
        places = [place for other, place in todo[start : start + size] if other == view]
        start += len(places)
        yield start, view, places
