"""Frozen features, encoded once and cached; the trained parts of both encoders; and the batches they are trained on."""

import copy
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Protocol, Self, cast

import torch
from torch import Tensor, nn

from crossmodal.backbones.base import Features, ImageBackbone, freeze
from crossmodal.items import Pixels
from crossmodal.progress import OnProgress, Progress, check_stop
from crossmodal.runtimes.device import uses_bf16
from crossmodal.runtimes.torch import fold_batch_norms
from crossmodal.training.feature_cache import FeatureCache, content_digest, view_of
from crossmodal.training.losses import PairLoss
from crossmodal.training.sampler import (
    BatchSampler,
    Drawn,
    SequentialSampler,
    derived_seed,
    generator_for,
    vary_pictures,
    word_loss,
)
from datasets import LostFoundDataset
from encoders import ImageEncoder, TextEncoder, Tower
from training.data import TRAIN, VALIDATION, TrainingData

_PICTURES, _TEXTS = 32, 128
_CPU = torch.device("cpu")
# Part of derived seeds since several processes could train; kept so that older runs resume to the same numbers.
_PROCESS = 0


class TwoTowers(Protocol):
    """The model that is trained: `system.LostFoundSystem`.

    Attributes:
        temperature: logarithm of the factor on the cosine.
        logit_scale: the factor on the cosine.
    """

    image_encoder: ImageEncoder
    text_encoder: TextEncoder
    temperature: nn.Parameter

    @property
    def logit_scale(self) -> Tensor: ...


class FrozenPictures:
    """Cached features of the training and validation pictures, taken before the trained blocks.

    Args:
        folder: the folder of all feature caches.
        blocks: number of trained blocks at the end of the backbone.
        views: number of views of each picture, see `view_of`.
    """

    def __init__(
        self, encoder: ImageEncoder, data: TrainingData, folder: Path, *, blocks: int, views: int, device: torch.device = _CPU
    ) -> None:
        self._encoder, self._data, self._blocks, self._device = encoder, data, blocks, device
        self._pools = pools_first(encoder, blocks)
        keys = [_key(encoder, blocks, device, pooled=self._pools, view=view, size=data.pixels.shape[1]) for view in range(views)]
        features = _features_at(encoder, blocks, encoder.inputs(data.pixels[:1]))
        self._caches = [FeatureCache(folder, key, features=features) for key in keys]
        self._contents = [bytes.fromhex(content) for content in data.content_hashes]

    def encode(self, on_progress: OnProgress, stop: threading.Event | None = None) -> None:
        """Encode and cache the missing features."""
        network = cast(ImageBackbone, fold_batch_norms(copy.deepcopy(self._encoder.backbone).eval())).to(self._device)
        todo = []
        for view, cache in enumerate(self._caches):
            indices = self._used_in(view)
            todo += [(view, indices[i]) for i in cache.missing([self._contents[index] for index in indices])]
        for done, view, indices in _chunks(todo, _PICTURES):
            check_stop(stop, "Encoding the pictures")
            names = [self._data.content_hashes[index] for index in indices]
            pixels = view_of(self._data.pixels[indices], view, names)
            with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=uses_bf16(self._device)):
                found = network.stem(self._encoder.inputs(pixels).to(self._device), self._blocks)
            values, mask = _pooled(self._encoder, found) if self._pools else found
            self._caches[view].append([self._contents[index] for index in indices], values, mask)
            on_progress(Progress("features", "Encoding the pictures once", done=done, total=len(todo)))

    def ready(self) -> None:
        """Look up the cache row of each picture; call after `encode`."""
        self._rows = []
        for view, cache in enumerate(self._caches):
            indices = torch.tensor(self._used_in(view), dtype=torch.int64)
            rows = torch.full((len(self._contents),), -1, dtype=torch.int64)
            rows[indices] = cache.rows([self._contents[index] for index in indices.tolist()])
            self._rows.append(rows)

    def batch(self, indices: Tensor, views: Tensor) -> Features:
        """Features of pictures. Shape: indices and views (n,) int64 → (n, length, channels)."""
        parts = {view: self._caches[view].batch(self._rows[view][indices[views == view]]) for view in sorted(set(views.tolist()))}
        order = torch.cat([(views == view).nonzero()[:, 0] for view in parts]).argsort()
        values, masks = (torch.cat([part[i] for part in parts.values()])[order] for i in (0, 1))
        return Features(values, masks)

    def _used_in(self, view: int) -> list[int]:
        """Indices of the pictures used in a view: augmented views are for training only, and test pictures are not encoded here."""
        train = self._data.side(TRAIN)
        return train if view else sorted([*train, *self._data.side(VALIDATION)])

    @property
    def views(self) -> int:
        """Number of views of each picture."""
        return len(self._caches)


class FrozenTexts:
    """Cached features of all captions, taken before the trained blocks.

    Args:
        texts: the captions of all pictures, concatenated.
        folder: the folder of all feature caches.
        blocks: number of trained blocks at the end of the backbone.
    """

    def __init__(
        self, encoder: TextEncoder, texts: Sequence[str], folder: Path, *, blocks: int, device: torch.device = _CPU
    ) -> None:
        self._encoder, self._texts, self._blocks, self._device = encoder, list(texts), blocks, device
        self._pools = pools_first(encoder, blocks)
        with torch.inference_mode():
            features = encoder.eval().backbone.stem(self._texts[:1], blocks).values.shape[2]
        self._cache = FeatureCache(folder, _key(encoder, blocks, device, pooled=self._pools), features=features)
        self._contents = [content_digest(text) for text in self._texts]

    def encode(self, on_progress: OnProgress, stop: threading.Event | None = None) -> None:
        """Encode and cache the missing features."""
        network = copy.deepcopy(self._encoder.backbone).eval().to(self._device)
        todo = [(0, index) for index in self._cache.missing(self._contents)]
        todo.sort(key=lambda entry: len(self._texts[entry[1]]))  # texts of similar length need little padding
        for done, _, indices in _chunks(todo, _TEXTS):
            check_stop(stop, "Encoding the captions")
            with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=uses_bf16(self._device)):
                found = network.stem([self._texts[index] for index in indices], self._blocks)
            values, mask = _pooled(self._encoder, found) if self._pools else found
            self._cache.append([self._contents[index] for index in indices], values, mask)
            on_progress(Progress("features", "Encoding the captions once", done=done, total=len(todo)))

    def ready(self) -> None:
        """Look up the cache row of each text; call after `encode`."""
        self._rows = self._cache.rows(self._contents)

    def batch(self, indices: Tensor) -> Features:
        """Features of texts. Shape: indices (n,) int64 → (n, longest, channels)."""
        return Features(*self._cache.batch(self._rows[indices]))


def pools_first(tower: Tower, blocks: int) -> bool:
    """Whether the pooled vector can be cached in place of the sequence: no block and no pooling weight is trained."""
    return blocks == 0 and not list(tower.pooling.parameters())


def _pooled(tower: Tower, found: Features) -> Features:
    pooled = tower.pool(Features(found.values.float(), found.mask))[:, None]
    return Features(pooled, torch.ones(pooled.shape[:2], dtype=torch.bool))


def _key(tower: Tower, blocks: int, device: torch.device, *, pooled: bool, **more: int | str) -> dict[str, object]:
    """The cache key of an encoding. Features computed on a GPU differ in their last bits and have a key of their own."""
    pooling = type(tower.pooling).__name__ if pooled else ""
    if device.type != "cpu":
        more["device"] = device.type
    return {"backbone": tower.backbone.digest(), "blocks": blocks, "pooling": pooling, "bf16": uses_bf16(device), **more}


def _features_at(encoder: ImageEncoder, blocks: int, images: Tensor) -> int:
    with torch.inference_mode():
        return encoder.eval().backbone.stem(images, blocks).values.shape[2]


def _chunks(todo: Sequence[tuple[int, int]], size: int) -> Iterator[tuple[int, int, list[int]]]:
    """(number done, view, indices) of each chunk; a chunk is of one view."""
    start = 0
    while start < len(todo):
        view = todo[start][0]
        indices = [index for other, index in todo[start : start + size] if other == view]
        start += len(indices)
        yield start, view, indices


@dataclass(frozen=True, slots=True)
class PairBatch:
    """Pictures and captions on their way through training.

    Attributes:
        pictures: frozen features at the cut, or (n, 3, size, size) float32 where the whole backbone learns.
        texts: frozen features at the cut, or the texts themselves.
        groups: (n,) int64, equal for pictures with equal captions.
        text_groups: (m,) int64, the group of the picture of each text.
        words: (n, vocabulary) float32, see `word_targets`; None if words are not predicted.
    """

    pictures: Features | Tensor
    texts: Features | Sequence[str]
    groups: Tensor
    text_groups: Tensor
    words: Tensor | None = None


class PooledPictures:
    """Pooled features of the pictures in memory, in place of `FrozenPictures`, for an image backbone that is frozen as a whole.

    Args:
        features: (n, channels) float32.
    """

    views = 1

    def __init__(self, features: Tensor) -> None:
        self._features = features

    def batch(self, indices: Tensor, views: Tensor) -> Features:  # noqa: ARG002 - there is one view
        """Features of pictures. Shape: indices and views (n,) int64 → (n, 1, channels)."""
        values = self._features[indices][:, None]
        return Features(values, torch.ones(values.shape[:2], dtype=torch.bool))


class TrainedParts(nn.Module):
    """The trained part of an encoder: the last blocks of the backbone or all of it, the pooling and the head.

    Only this part is saved in training checkpoints.

    Args:
        blocks: number of trained blocks; None trains the whole backbone, from pixels or words.
    """

    def __init__(self, tower: Tower, blocks: int | None) -> None:
        super().__init__()
        freeze(tower.backbone, blocks)
        self._tower = (tower,)  # in a tuple, so that its frozen part does not belong to this module
        self.blocks = blocks
        self.backbone = tower.backbone if blocks is None else nn.ModuleList(tower.backbone.tail_modules(blocks))
        self.pooling, self.head = tower.pooling, tower.head

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`, but the batch norms of a partly frozen backbone keep their statistics.

        These come from far more pictures than this training has, and the frozen layers were trained with them.
        """
        super().train(mode)
        if self.blocks is not None:
            for module in self.backbone.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def features(self, given: Features | Tensor) -> Tensor:
        """Pooled features of pictures, before the head. Shape: (n, features) float32."""
        [tower] = self._tower
        return tower.pool(tower.backbone.tail(given, self.blocks or 0) if isinstance(given, Features) else tower.backbone(given))

    def project(self, features: Tensor) -> Tensor:
        """Unit-length embeddings. Shape: (n, features) → (n, embed_dim) float32."""
        [tower] = self._tower
        return tower.project(features)

    def forward(self, given: Features | Tensor | Sequence[str]) -> Tensor:
        """Unit-length embeddings of n pictures or texts. Shape: (n, embed_dim) float32."""
        [tower] = self._tower
        if isinstance(given, Features):
            return tower.embed(given, self.blocks or 0)
        return tower(given)  # type: ignore[no-any-return]


class PairLearner(nn.Module):
    """The module that is trained: the trained parts of both encoders, the temperature and the parameters of the loss.

    Args:
        image_blocks, text_blocks: see `TrainedParts`.
        vocabulary: number of words that an auxiliary head predicts from the features of a picture, during training only. An image network
            with random weights then learns faster. 0 uses no such head.
    """

    WORD_WEIGHT = 1.0

    def __init__(
        self, system: TwoTowers, loss: PairLoss, *, image_blocks: int | None, text_blocks: int | None, vocabulary: int = 0
    ) -> None:
        super().__init__()
        self._system = (system,)
        self.pictures = TrainedParts(system.image_encoder, image_blocks)
        self.texts = TrainedParts(system.text_encoder, text_blocks)
        self.temperature = system.temperature
        self.loss = loss
        self.word_head = nn.Linear(system.image_encoder.backbone.features, vocabulary) if vocabulary else None

    def forward(self, batch: PairBatch) -> Tensor:
        """The loss of a batch, a scalar."""
        features = self.pictures.features(batch.pictures)
        images, texts = self.pictures.project(features), self.texts(batch.texts)
        [system] = self._system
        loss: Tensor = self.loss(images, texts, system.logit_scale, batch.groups, batch.text_groups)
        if self.word_head is not None and batch.words is not None:
            loss = loss + self.WORD_WEIGHT * word_loss(self.word_head(features), batch.words)
        return loss


@dataclass(frozen=True, slots=True)
class TrainingPairs:
    """Training pictures with their captions.

    Attributes:
        pixels: loads pictures by their indices among the pairs. Shape: n indices → (n, size, size, 3) uint8.
        captions: at least one text per picture.
        groups: group number of each picture, equal for pictures with equal captions.
        indices: (pairs,) int64, index of each picture among all pictures of the data.
        first_caption: (pairs,) int64, index of its first caption among all captions of the data.
    """

    pixels: Callable[[Sequence[int]], Pixels]
    captions: Sequence[tuple[str, ...]]
    groups: Sequence[int]
    indices: Tensor
    first_caption: Tensor

    @classmethod
    def of_data(cls, data: TrainingData) -> "TrainingPairs":
        """The training side of a catalogue's data."""
        indices, groups = data.side(TRAIN), data.groups()
        first = list(accumulate((len(texts) for texts in data.captions), initial=0))
        return cls(
            lambda chosen: data.pixels[[indices[number] for number in chosen]],
            [data.captions[index] for index in indices],
            [groups[index] for index in indices],
            torch.tensor(indices, dtype=torch.int64),
            torch.tensor([first[index] for index in indices], dtype=torch.int64),
        )

    @classmethod
    def of_dataset(cls, dataset: LostFoundDataset) -> "TrainingPairs":
        """All pairs of a dataset in memory."""
        first = list(accumulate((len(texts) for texts in dataset.captions), initial=0))[:-1]
        return cls(
            lambda chosen: dataset.batch(chosen).numpy(),
            dataset.captions,
            dataset.groups,
            torch.arange(len(dataset)),
            torch.tensor(first, dtype=torch.int64),
        )


class RunBatches:
    """Batches of pictures with captions, for any epoch from any batch on.

    Args:
        pairs: the training pairs.
        pictures, texts: frozen features; None if the whole backbone is trained.
        batch_size: pictures per batch.
        captions: captions per picture and batch.
        device: where the batches are used.
        generator: source of all random numbers, drawn in sequence, for a training that is not resumed. None derives them from the seed,
            the epoch and the number of the batch, and spreads pictures of one group over the batches (`BatchSampler`).
        sizes: side of the pictures in each epoch in pixels; None keeps their own. Ignored for frozen features.
        words: targets of every pair, see `word_targets`; None if words are not predicted.
    """

    def __init__(
        self,
        system: TwoTowers,
        pairs: TrainingPairs,
        *,
        pictures: FrozenPictures | PooledPictures | None,
        texts: FrozenTexts | None,
        batch_size: int,
        captions: int,
        seed: int,
        device: torch.device = _CPU,
        generator: torch.Generator | None = None,
        sizes: Sequence[int] | None = None,
        words: Tensor | None = None,
    ) -> None:
        self._image: ImageEncoder = system.image_encoder
        self._text: TextEncoder = system.text_encoder
        self._pairs, self._pictures, self._texts = pairs, pictures, texts
        self._seed, self._device, self._sizes, self._words = seed, device, sizes, words
        self._groups, self._generator = torch.tensor(pairs.groups), generator
        counts = [len(texts) for texts in pairs.captions]
        self._noise: random.Random | None = getattr(self._text.backbone, "noise", None)
        self.sampler: BatchSampler | SequentialSampler
        if generator is None:
            self.sampler = BatchSampler(pairs.groups, counts, batch_size=batch_size, captions_per_picture=captions, seed=seed)
        else:
            self.sampler = SequentialSampler(counts, batch_size=batch_size, generator=generator)
            if self._noise is not None:
                self._noise.seed(seed)

    def epoch(self, epoch: int, start: int) -> Iterator[PairBatch]:
        """The batches of an epoch, counted from 0, from number `start` on."""
        for number, drawn in enumerate(self.sampler.epoch(epoch, start=start), start):
            yield self._batch(drawn, epoch, number)

    def _batch(self, drawn: Drawn, epoch: int, number: int) -> PairBatch:
        groups = self._groups[drawn.pictures]
        return PairBatch(
            self._picture_inputs(drawn.pictures, epoch, number),
            self._text_inputs(drawn, epoch, number),
            groups.to(self._device),
            groups.repeat_interleave(drawn.captions.shape[1]).to(self._device),
            self._words[drawn.pictures].to(self._device) if self._words is not None else None,
        )

    def _picture_inputs(self, chosen: Tensor, epoch: int, number: int) -> Features | Tensor:
        generator = self._generator or generator_for(self._seed, "views", epoch, number, _PROCESS)
        if self._pictures is None:
            images = self._image.inputs(self._pairs.pixels(chosen.tolist()))
            size = self._sizes[epoch] if self._sizes else images.shape[-1]
            return vary_pictures(images, size, generator).to(self._device)
        views = torch.randint(self._pictures.views, (len(chosen),), generator=generator)
        return self._pictures.batch(self._pairs.indices[chosen], views).to(self._device)

    def _text_inputs(self, drawn: Drawn, epoch: int, number: int) -> Features | list[str]:
        if self._texts is not None:
            return self._texts.batch((self._pairs.first_caption[drawn.pictures][:, None] + drawn.captions).flatten()).to(
                self._device
            )
        if (
            self._noise is not None and self._generator is None
        ):  # seeded for every batch, so that a resumed run misspells the same words
            self._noise.seed(derived_seed(self._seed, "noise", epoch, number, _PROCESS))
        return [
            self._pairs.captions[picture][caption]
            for picture, chosen in zip(drawn.pictures.tolist(), drawn.captions.tolist(), strict=True)
            for caption in chosen
        ]
