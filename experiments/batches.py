"""The batches of a training run: which pictures meet, in which view, and with which of their captions, all drawn from the seed."""

from collections.abc import Iterator
from itertools import accumulate

import torch
from torch import Tensor

from crossmodal.backbones.base import Features
from crossmodal.training import distributed
from crossmodal.training.batches import vary_pictures
from crossmodal.training.sampler import BatchSampler, Drawn
from crossmodal.training.seeds import derived_seed, generator_for
from encoders import ImageEncoder, TextEncoder
from experiments.data import TRAIN, TrainingData
from experiments.frozen import FrozenPictures, FrozenTexts
from experiments.learner import PairBatch
from system import LostFoundSystem


class RunBatches:
    """Batches over the training side of the data.

    Args:
        pictures, texts: frozen features, or None where the whole backbone learns.
        batch_size: pictures of a batch, of all processes together.
        captions: captions of each picture in a batch.
    """

    def __init__(
        self,
        system: LostFoundSystem,
        data: TrainingData,
        *,
        pictures: FrozenPictures | None,
        texts: FrozenTexts | None,
        batch_size: int,
        captions: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self._image: ImageEncoder = system.image_encoder
        self._text: TextEncoder = system.text_encoder
        self._data, self._pictures, self._texts = data, pictures, texts
        self._seed, self._device = seed, device
        self._train = torch.tensor(data.side(TRAIN), dtype=torch.int64)
        self._groups = torch.tensor(data.groups())
        self._first_text = torch.tensor([0, *accumulate(len(texts) for texts in data.captions)])
        self.sampler = BatchSampler(
            [int(self._groups[place]) for place in self._train],
            [len(data.captions[place]) for place in self._train.tolist()],
            batch_size=batch_size,
            captions_per_picture=captions,
            seed=seed,
        )

    def epoch(self, epoch: int, start: int) -> Iterator[PairBatch]:
        """The batches of an epoch from number `start` on; this process's share of each."""
        processes, rank = distributed.processes(), distributed.rank()
        drawn_batches = self.sampler.epoch(epoch, start=start, rank=rank, processes=processes)
        for number, drawn in enumerate(drawn_batches, start):
            yield self._batch(drawn, epoch, number, rank)

    def _batch(self, drawn: Drawn, epoch: int, number: int, rank: int) -> PairBatch:
        places = self._train[drawn.pictures]
        generator = generator_for(self._seed, "views", epoch, number, rank)
        groups = self._groups[places]
        return PairBatch(
            self._seen(places, generator),
            self._said(places, drawn.captions, epoch, number, rank),
            groups.to(self._device),
            groups.repeat_interleave(drawn.captions.shape[1]).to(self._device),
        )

    def _seen(self, places: Tensor, generator: torch.Generator) -> Features | Tensor:
        if self._pictures is None:
            images = self._image.inputs(self._data.pixels[places.numpy()])
            return vary_pictures(images, images.shape[-1], generator).to(self._device)
        views = torch.randint(self._pictures.views, (len(places),), generator=generator)
        return self._pictures.batch(places, views).to(self._device)

    def _said(self, places: Tensor, captions: Tensor, epoch: int, number: int, rank: int) -> Features | list[str]:
        if self._texts is not None:
            return self._texts.batch((self._first_text[places][:, None] + captions).flatten()).to(self._device)
        noise = getattr(self._text.backbone, "noise", None)
        if noise is not None:  # slips of the pen are drawn anew for every batch, so that a resumed run draws the same
            noise.seed(derived_seed(self._seed, "noise", epoch, number, rank))
        return [
            self._data.captions[place][caption]
            for place, chosen in zip(places.tolist(), captions.tolist(), strict=True)
            for caption in chosen
        ]
