"""What the frozen part of a tower says to pictures and texts: encoded once, kept on the disk, read by every epoch."""

import copy
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
from crossmodal.training.sampler import BatchSampler, Drawn, derived_seed, generator_for, vary_pictures, word_loss
from datasets import LostFoundDataset
from encoders import ImageEncoder, TextEncoder, Tower
from training.data import TRAIN, VALIDATION, TrainingData

_PICTURES, _TEXTS = 32, 128
_CPU = torch.device("cpu")
_PROCESS = (
    0  # part of what seeds are derived from since several processes could train; runs of then are resumed to the same numbers
)


class TwoTowers(Protocol):
    """What is trained: `system.LostFoundSystem`.

    Attributes:
        temperature: logarithm of the factor on the cosine.
        logit_scale: that factor.
    """

    image_encoder: ImageEncoder
    text_encoder: TextEncoder
    temperature: nn.Parameter

    @property
    def logit_scale(self) -> Tensor: ...


class FrozenPictures:
    """Features of the pictures that are learned from and chosen by, at the cut before the blocks that learn.

    Args:
        blocks: how many blocks learn.
        views: see `view_of`.
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
        """Make what is missing."""
        network = cast(ImageBackbone, fold_batch_norms(copy.deepcopy(self._encoder.backbone).eval())).to(self._device)
        todo = []
        for view, cache in enumerate(self._caches):
            places = self._seen_in(view)
            todo += [(view, places[i]) for i in cache.missing([self._contents[place] for place in places])]
        for done, view, places in _parts(todo, _PICTURES):
            check_stop(stop, "Encoding the pictures")
            names = [self._data.content_hashes[place] for place in places]
            pixels = view_of(self._data.pixels[places], view, names)
            with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=uses_bf16(self._device)):
                found = network.stem(self._encoder.inputs(pixels).to(self._device), self._blocks)
            values, mask = _pooled(self._encoder, found) if self._pools else found
            self._caches[view].append([self._contents[place] for place in places], values, mask)
            on_progress(Progress("features", "Encoding the pictures once", done=done, total=len(todo)))

    def ready(self) -> None:
        """Look up the position of each picture; call after `encode`."""
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
        """The pictures used in a view: augmented views are for training only, and the test set is evaluated with the whole model."""
        learned = self._data.side(TRAIN)
        return learned if view else sorted([*learned, *self._data.side(VALIDATION)])

    @property
    def views(self) -> int:
        """How many views there are."""
        return len(self._caches)


class FrozenTexts:
    """The same for all captions of all pictures, one after the other."""

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
        """Make what is missing."""
        network = copy.deepcopy(self._encoder.backbone).eval().to(self._device)
        todo = [(0, place) for place in self._cache.missing(self._contents)]
        todo.sort(key=lambda entry: len(self._texts[entry[1]]))  # texts of one length together waste little on padding
        for done, _, places in _parts(todo, _TEXTS):
            check_stop(stop, "Encoding the captions")
            with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=uses_bf16(self._device)):
                found = network.stem([self._texts[place] for place in places], self._blocks)
            values, mask = _pooled(self._encoder, found) if self._pools else found
            self._cache.append([self._contents[place] for place in places], values, mask)
            on_progress(Progress("features", "Encoding the captions once", done=done, total=len(todo)))

    def ready(self) -> None:
        """Look up the position of each text; call after `encode`."""
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


def _key(tower: Tower, blocks: int, device: torch.device, *, pooled: bool, **more: int | str) -> dict[str, object]:
    """Numbers of a GPU differ in their last bits from those of the processor, and are kept apart from them."""
    pooling = type(tower.pooling).__name__ if pooled else ""
    if device.type != "cpu":
        more["device"] = device.type
    return {"backbone": tower.backbone.digest(), "blocks": blocks, "pooling": pooling, "bf16": uses_bf16(device), **more}


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


@dataclass(frozen=True, slots=True)
class PairBatch:
    """Pictures and captions on their way through training.

    Attributes:
        pictures: frozen features at the cut, or (n, 3, size, size) float32 where the whole backbone learns.
        texts: frozen features at the cut, or the texts themselves.
        groups: (n,) int64, equal for pictures that are described alike.
        text_groups: (m,) int64, the group of each text's picture.
        words: (n, vocabulary) float32, see `word_targets`; None where the words are not predicted.
    """

    pictures: Features | Tensor
    texts: Features | Sequence[str]
    groups: Tensor
    text_groups: Tensor
    words: Tensor | None = None


class PooledPictures:
    """Features of the pictures in memory, one vector each, in place of `FrozenPictures`: for a backbone that is frozen as a whole.

    Args:
        features: (n, channels) float32.
    """

    views = 1

    def __init__(self, features: Tensor) -> None:
        self._features = features

    def batch(self, places: Tensor, views: Tensor) -> Features:  # noqa: ARG002 - there is one view
        """Features of pictures. Shape: places and views (n,) int64 → (n, 1, channels)."""
        values = self._features[places][:, None]
        return Features(values, torch.ones(values.shape[:2], dtype=torch.bool))


class TrainedParts(nn.Module):
    """The part of a tower that learns: the backbone's last blocks or the whole of it, the pooling and the head.

    Only this part has a place in checkpoints: what is frozen is the same as before.

    Args:
        blocks: how many blocks learn; None: the whole backbone, from pixels or words.
    """

    def __init__(self, tower: Tower, blocks: int | None) -> None:
        super().__init__()
        freeze(tower.backbone, blocks)
        self._tower = (tower,)  # in a tuple, so that its frozen part is no part of this module
        self.blocks = blocks
        self.backbone = tower.backbone if blocks is None else nn.ModuleList(tower.backbone.tail_modules(blocks))
        self.pooling, self.head = tower.pooling, tower.head

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`, but batch norms of a backbone of which only the end learns keep their statistics.

        They come from far more pictures than this training has, and the frozen part before them was made for them.
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
        """Embeddings of length 1. Shape: (n, features) → (n, embed_dim) float32."""
        [tower] = self._tower
        return tower.project(features)

    def forward(self, given: Features | Tensor | Sequence[str]) -> Tensor:
        """Embeddings of length 1. Shape: (n, embed_dim) float32."""
        [tower] = self._tower
        if isinstance(given, Features):
            return tower.embed(given, self.blocks or 0)
        return tower(given)  # type: ignore[no-any-return]


class PairLearner(nn.Module):
    """What the trainer trains: both sides' learning parts, the temperature, and what the loss learns itself.

    Args:
        image_blocks, text_blocks: see `TrainedParts`.
        vocabulary: words that a head of its own predicts from the features of a picture, during training only: from random weights the
            picture network then learns sooner what to look at. 0 predicts none.
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
    """The pictures that a run learns from, with their captions.

    Attributes:
        pixels: pictures by their numbers among the pairs. Shape: n numbers → (n, size, size, 3) uint8.
        captions: at least one text of each.
        groups: equal for pictures that are described alike.
        places: (pairs,) int64, each picture's place among all pictures of the data.
        first_text: (pairs,) int64, place of its first caption among all captions of the data.
    """

    pixels: Callable[[Sequence[int]], Pixels]
    captions: Sequence[tuple[str, ...]]
    groups: Sequence[int]
    places: Tensor
    first_text: Tensor

    @classmethod
    def of_data(cls, data: TrainingData) -> "TrainingPairs":
        """The training side of the data."""
        places, groups = data.side(TRAIN), data.groups()
        first = list(accumulate((len(texts) for texts in data.captions), initial=0))
        return cls(
            lambda chosen: data.pixels[[places[number] for number in chosen]],
            [data.captions[place] for place in places],
            [groups[place] for place in places],
            torch.tensor(places, dtype=torch.int64),
            torch.tensor([first[place] for place in places], dtype=torch.int64),
        )

    @classmethod
    def of_dataset(cls, dataset: LostFoundDataset) -> "TrainingPairs":
        """All of a dataset in memory."""
        first = list(accumulate((len(texts) for texts in dataset.captions), initial=0))[:-1]
        return cls(
            lambda chosen: dataset.batch(chosen).numpy(),
            dataset.captions,
            dataset.groups,
            torch.arange(len(dataset)),
            torch.tensor(first, dtype=torch.int64),
        )


class RunBatches:
    """Batches of pictures with captions.

    Args:
        pairs: what is learned from.
        pictures, texts: frozen features by the pairs' places and the texts' numbers; None where the whole backbone learns.
        batch_size: pictures of a batch.
        captions: captions of each picture in a batch.
        sizes: side of the pictures in each epoch; growing sizes learn the coarse things cheaply first (progressive resizing, Howard 2018).
            None keeps the pictures' own. Frozen features have none.
        words: the targets of every pair, see `word_targets`, where words are predicted.
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
        sizes: Sequence[int] | None = None,
        words: Tensor | None = None,
    ) -> None:
        self._image: ImageEncoder = system.image_encoder
        self._text: TextEncoder = system.text_encoder
        self._pairs, self._pictures, self._texts = pairs, pictures, texts
        self._seed, self._device, self._sizes, self._words = seed, device, sizes, words
        self._groups = torch.tensor(pairs.groups)
        self.sampler = BatchSampler(
            pairs.groups,
            [len(texts) for texts in pairs.captions],
            batch_size=batch_size,
            captions_per_picture=captions,
            seed=seed,
        )

    def epoch(self, epoch: int, start: int) -> Iterator[PairBatch]:
        """The batches of an epoch from number `start` on."""
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
        generator = generator_for(self._seed, "views", epoch, number, _PROCESS)
        if self._pictures is None:
            images = self._image.inputs(self._pairs.pixels(chosen.tolist()))
            size = self._sizes[epoch] if self._sizes else images.shape[-1]
            return vary_pictures(images, size, generator).to(self._device)
        views = torch.randint(self._pictures.views, (len(chosen),), generator=generator)
        return self._pictures.batch(self._pairs.places[chosen], views).to(self._device)

    def _text_inputs(self, drawn: Drawn, epoch: int, number: int) -> Features | list[str]:
        if self._texts is not None:
            return self._texts.batch((self._pairs.first_text[drawn.pictures][:, None] + drawn.captions).flatten()).to(self._device)
        noise = getattr(self._text.backbone, "noise", None)
        if noise is not None:  # slips of the pen are drawn anew for every batch, so that a resumed run draws the same
            noise.seed(derived_seed(self._seed, "noise", epoch, number, _PROCESS))
        return [
            self._pairs.captions[picture][caption]
            for picture, chosen in zip(drawn.pictures.tolist(), drawn.captions.tolist(), strict=True)
            for caption in chosen
        ]
