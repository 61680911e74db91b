"""The joint model: both encoders and a learnable temperature, and the short training that makes it useful."""

import math
import threading
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from crossmodal.evaluation.metrics import RetrievalFigures, relevance, retrieval_figures
from crossmodal.training.losses import ClipLoss
from crossmodal.training.optim import plain_adamw
from crossmodal.training.plan import EpochFigures, TrainingPlan, TrainingTask, Validation
from crossmodal.training.sampler import word_targets
from crossmodal.training.trainer import evaluating, train
from datasets import LostFoundDataset
from encoders import ImageEncoder, TextEncoder
from training.frozen import PairLearner, PooledPictures, RunBatches, TrainingPairs

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
        sizes: the pictures' side in each epoch, see `training.presets.growing_sizes`.
            None keeps the dataset's own size.
        frozen_backbone: leave the picture network as it is (it came with ImageNet weights), encode every picture once, and train the
            projection and the text tower only.
        on_step: called with (steps done, steps in all).

    Raises:
        Stopped, TrainingError: see `crossmodal.training.trainer.train`; TrainingError also when there are too few pictures.
    """
    torch.manual_seed(seed)
    taught, validation = dataset.split(VALIDATION_SHARE, salt="validation")
    words = word_targets(taught.captions) if not frozen_backbone else None
    learner = PairLearner(
        system,
        ClipLoss(),
        image_blocks=0 if frozen_backbone else None,
        text_blocks=None,
        vocabulary=words.shape[1] if words is not None else 0,
    )
    batches = RunBatches(
        system,
        TrainingPairs.of_dataset(taught),
        pictures=PooledPictures(backbone_features(system, taught)) if frozen_backbone else None,
        texts=None,
        batch_size=batch_size,
        captions=1,
        seed=seed,
        sizes=sizes,
        words=words,
    )
    known = backbone_features(system, validation) if frozen_backbone else None

    def validate() -> Validation:
        figures = evaluate_titles(system, validation, features=known)
        score = figures.mean_reciprocal_rank  # finer than a recall, which moves in steps of one picture
        # √(s(1 − s) / n) is the standard error of a proportion. Of a mean of numbers in [0, 1], as reciprocal ranks are, it is the most
        # that can be (Bhatia & Davis 2000, "A Better Bound on the Variance"), so rather too many epochs count as good as the best.
        return Validation(score, math.sqrt(score * (1 - score) / figures.queries), figures.recall_at_1)

    return train(
        learner,
        plan,
        TrainingTask(batches.sampler.steps_per_epoch, batches.epoch, learner, validate),
        plain_adamw(learner, plan),
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
