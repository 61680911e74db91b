"""The joint model: both encoders and a learnable temperature, and the short training that makes it useful."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from crossmodal.backbones.base import freeze
from crossmodal.backbones.gru import GRUBackbone
from crossmodal.evaluation.metrics import RetrievalFigures, relevance, retrieval_figures
from crossmodal.training.losses import contrastive_loss
from crossmodal.training.sampler import draw_texts, vary_pictures, word_loss, word_targets
from crossmodal.training.trainer import EpochFigures, TrainingPlan, Validation, evaluating, fit
from datasets import LostFoundDataset
from encoders import ImageEncoder, TextEncoder

MAX_LOGIT_SCALE = 100.0
VALIDATION_SHARE = 0.1


class LostFoundSystem(nn.Module):
    """Pictures and texts in one space.

    Attributes:
        temperature: learnable, kept as CLIP keeps it: the logarithm of the factor on the cosine, starting at log(1 / 0.07).
    """

    def __init__(self, image_encoder: ImageEncoder, text_encoder: TextEncoder) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.text_encoder = text_encoder
        self.temperature = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @property
    def logit_scale(self) -> Tensor:
        """The factor on the cosine, at most 100 (Radford et al. 2021, section 2.5)."""
        return self.temperature.exp().clamp(max=MAX_LOGIT_SCALE)

    def encode_image(self, images: Tensor) -> Tensor:
        """Shape: (n, 3, height, width) float32 → (n, embed_dim) float32 of length 1."""
        embeddings: Tensor = self.image_encoder(images)
        return embeddings

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Shape: n texts → (n, embed_dim) float32 of length 1."""
        embeddings: Tensor = self.text_encoder(texts)
        return embeddings

    def forward(self, images: Tensor, texts: Sequence[str]) -> Tensor:
        """logits_per_image: (n images, n texts), the scaled cosines."""
        return self.logit_scale * self.encode_image(images) @ self.encode_text(texts).T


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs on their way through training.

    Attributes:
        pictures: (n, 3, size, size) float32, or (n, 512) float32 features of a frozen backbone.
        texts: n texts.
        groups: (n,) int64, equal for pairs that describe the same thing.
        words: (n, vocabulary) float32, see `word_targets`.
    """

    pictures: Tensor
    texts: list[str]
    groups: Tensor
    words: Tensor


class Lessons(nn.Module):
    """What training adds to a system and throws away afterwards: batches of pairs, and a head that predicts the titles' words.

    Args:
        system: what learns.
        train: what it learns from.
        frozen_backbone: encode every picture once, and leave the picture network as it is.
    """

    WORD_WEIGHT = 1.0

    def __init__(self, system: LostFoundSystem, train: LostFoundDataset, *, frozen_backbone: bool, seed: int) -> None:
        super().__init__()
        self.system = system
        self._train_set = train
        self._words = word_targets(train.captions)
        self._groups = torch.tensor(train.groups)
        self._generator = torch.Generator().manual_seed(seed)
        self.word_head = nn.Linear(system.image_encoder.backbone.features, max(1, self._words.shape[1]))
        self._features = backbone_features(system, train) if frozen_backbone else None
        freeze(system.image_encoder.backbone, 0 if frozen_backbone else None)
        cast(GRUBackbone, system.text_encoder.backbone).noise.seed(seed)

    def batches(self, batch_size: int, size: int) -> Iterator[Batch]:
        """One epoch of whole batches, with pictures at `size` pixels."""
        train, order = self._train_set, torch.randperm(len(self._train_set), generator=self._generator)
        for start in range(0, len(train) - batch_size + 1, batch_size):
            chosen = order[start : start + batch_size]
            texts = draw_texts([train.captions[i] for i in chosen.tolist()], self._generator)
            if self._features is not None:
                pictures = self._features[chosen]
            else:
                pictures = vary_pictures(
                    self.system.image_encoder.inputs(train.batch(chosen.tolist()).numpy()), size, self._generator
                )
            yield Batch(pictures, texts, self._groups[chosen], self._words[chosen])

    def loss_of(self, batch: Batch) -> Tensor:
        """Contrastive loss of the pairs plus the loss of predicting the titles' words."""
        encoder = self.system.image_encoder
        features = batch.pictures if self._features is not None else encoder.features(batch.pictures)
        pairs = contrastive_loss(
            encoder.project(features), self.system.encode_text(batch.texts), self.system.logit_scale, batch.groups
        )
        return pairs + self.WORD_WEIGHT * word_loss(self.word_head(features), batch.words)


def minimal_train_model(
    system: LostFoundSystem,
    dataset: LostFoundDataset,
    *,
    plan: TrainingPlan,
    batch_size: int,
    seed: int,
    sizes: Sequence[int] | None = None,
    frozen_backbone: bool = False,
    on_epoch: Callable[[EpochFigures], None] = lambda _figures: None,
    on_step: Callable[[int, int], None] = lambda _done, _total: None,
    stop: threading.Event | None = None,
) -> list[EpochFigures]:
    """Train in place on a catalogue's pairs and leave the weights of the last epoch that found unseen pictures as well as any before it.

    A tenth of the pictures, chosen by hash, is never trained on and measures every epoch: by the mean reciprocal rank of its pictures for
    their titles, where what lies within one standard error of the best counts as good as the best (see `trainer.train`).

    Args:
        sizes: the pictures' side in each epoch; growing sizes learn the coarse things cheaply first (progressive resizing, Howard 2018).
            None keeps the dataset's own size.
        frozen_backbone: leave the picture network as it is (it came with ImageNet weights), encode every picture once, and train the
            projection and the text tower only.
        on_step: called with (steps done, steps in all).

    Raises:
        Stopped, TrainingError: see `crossmodal.training.trainer.fit`; TrainingError also when there are too few pictures.
    """
    torch.manual_seed(seed)
    train, validation = dataset.split(VALIDATION_SHARE, salt="validation")
    batch_size = min(batch_size, len(train))
    lessons = Lessons(system, train, frozen_backbone=frozen_backbone, seed=seed)
    known = backbone_features(system, validation) if frozen_backbone else None

    def validate() -> Validation:
        figures = evaluate_titles(system, validation, features=known)
        score = figures.mean_reciprocal_rank  # finer than a recall, which moves in steps of one picture
        # √(s(1 − s) / n) is the standard error of a proportion. Of a mean of numbers in [0, 1], as reciprocal ranks are, it is the most
        # that can be (Bhatia & Davis 2000, "A Better Bound on the Variance"), so rather too many epochs count as good as the best.
        return Validation(score, math.sqrt(score * (1 - score) / figures.queries), figures.recall_at_1)

    return fit(
        lessons,
        plan,
        steps_per_epoch=len(train) // batch_size,
        batches=lambda epoch: lessons.batches(batch_size, sizes[epoch] if sizes else train.pixels[0].shape[0]),
        loss_of=lessons.loss_of,
        validate=validate,
        on_epoch=on_epoch,
        on_step=on_step,
        stop=stop,
    )


def evaluate_titles(system: LostFoundSystem, dataset: LostFoundDataset, *, features: Tensor | None = None) -> RetrievalFigures:
    """Text → image among the dataset's own pictures: each first text is a query; pictures of an equal title are all right answers.

    Args:
        features: what `backbone_features` gave for the dataset, when it is at hand.
    """
    with evaluating(system):
        seen = features if features is not None else backbone_features(system, dataset)
        queries = system.encode_text([texts[0] for texts in dataset.captions])
        return retrieval_figures(queries, system.image_encoder.project(seen), relevance(dataset.groups, dataset.groups))


def backbone_features(system: LostFoundSystem, dataset: LostFoundDataset, *, part: int = 64) -> Tensor:
    """What the picture network sees in every picture, without gradients. Shape: (n, features) float32; no picture gives (0, features)."""
    encoder = system.image_encoder
    with evaluating(system):
        places = [range(start, min(start + part, len(dataset))) for start in range(0, len(dataset), part)]
        parts = [encoder.features(encoder.inputs(dataset.batch(some).numpy())) for some in places]
    return torch.cat(parts) if parts else torch.zeros(0, encoder.backbone.features)
