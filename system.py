"""The joint model of both encoders and a learnable temperature, its short training, and its evaluation on titles."""

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
    """Maps pictures and texts to one embedding space.

    Attributes:
        temperature: learnable scalar as in CLIP: the logarithm of the factor on the cosine, initially log(1 / 0.07).
    """

    def __init__(self, image_encoder: ImageEncoder, text_encoder: TextEncoder) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.text_encoder = text_encoder
        self.temperature = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @property
    def logit_scale(self) -> Tensor:
        """The factor on the cosine, in (0, 100] (Radford et al. 2021, section 2.5)."""
        return self.temperature.exp().clamp(max=MAX_LOGIT_SCALE)

    def encode_image(self, images: Tensor) -> Tensor:
        """Shape: (n, 3, height, width) float32 → (n, embed_dim) float32, unit length."""
        embeddings: Tensor = self.image_encoder(images)
        return embeddings

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Shape: n texts → (n, embed_dim) float32, unit length."""
        embeddings: Tensor = self.text_encoder(texts)
        return embeddings

    def forward(self, images: Tensor, texts: Sequence[str]) -> Tensor:
        """The scaled cosines, logits per image. Shape: (n, 3, height, width) float32 and m texts → (n, m) float32."""
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
    """Train in place, on the device of the weights, with the trainer that `cli.py train` uses.

    A tenth of the pictures, chosen by content hash, is the validation set. An epoch's score is the mean reciprocal rank of its pictures for
    their titles. The weights of the last epoch within one standard error of the best score are kept (see `trainer.train`).

    Args:
        system: with random weights, or with a pretrained image network.
        dataset: pictures of one size with their texts.
        plan: hyper-parameters of the optimiser.
        batch_size: pairs per batch.
        seed: of the batches, the augmentation and the noise in texts.
        sizes: side of the pictures in each epoch in pixels, see `training.presets.growing_sizes`. None uses the dataset's own size.
        frozen_backbone: keep the image network's weights, encode every picture once, and train the projection and the text encoder only.
        on_epoch: called after each epoch.
        on_step: called with (steps done, total steps).

    Returns:
        The figures of each epoch.

    Raises:
        TrainingError: there are too few pictures, or the loss or a gradient is not finite.
        Stopped: `stop` was set.
    """
    torch.manual_seed(seed)
    device = system.temperature.device
    learned, validation = dataset.split(VALIDATION_SHARE, salt="validation")
    words = None if frozen_backbone else word_targets(learned.captions)
    learner = PairLearner(
        system,
        ClipLoss(),
        image_blocks=0 if frozen_backbone else None,
        text_blocks=None,
        vocabulary=words.shape[1] if words is not None else 0,
    ).to(device)
    batches = RunBatches(
        system,
        TrainingPairs.of_dataset(learned),
        pictures=PooledPictures(backbone_features(system, learned)) if frozen_backbone else None,
        texts=None,
        batch_size=batch_size,
        captions=1,
        seed=seed,
        device=device,
        generator=torch.Generator().manual_seed(seed),
        sizes=sizes,
        words=words,
    )
    features = backbone_features(system, validation) if frozen_backbone else None

    def validate() -> Validation:
        figures = evaluate_titles(system, validation, features=features)
        score = figures.mean_reciprocal_rank  # finer than a recall, which moves in steps of one picture
        # √(s(1 − s) / n) is the standard error of a proportion. For a mean of numbers in [0, 1], as reciprocal ranks are, it is an upper
        # bound (Bhatia & Davis 2000, "A Better Bound on the Variance").
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
    """Text → image among the dataset's own pictures: each picture's first text is a query; pictures with equal titles are all relevant.

    Args:
        features: the `backbone_features` of the dataset, if they are already computed.
    """
    with evaluating(system):
        pooled = features if features is not None else backbone_features(system, dataset)
        images = system.image_encoder.project(pooled.to(system.temperature.device)).cpu()
        queries = system.encode_text([texts[0] for texts in dataset.captions]).cpu()
        return retrieval_figures(queries, images, relevance(dataset.groups, dataset.groups))


def backbone_features(system: LostFoundSystem, dataset: LostFoundDataset, *, part: int = 64) -> Tensor:
    """Pooled features of the image network for all pictures, without gradients, on the CPU.

    Args:
        part: pictures per forward pass.

    Shape: (n, features) float32; n may be 0.
    """
    encoder = system.image_encoder
    with evaluating(system):
        chunks = [range(start, min(start + part, len(dataset))) for start in range(0, len(dataset), part)]
        parts = [encoder.features(encoder.inputs(dataset.batch(chunk).numpy()).to(encoder.device)).cpu() for chunk in chunks]
    return torch.cat(parts) if parts else torch.zeros(0, encoder.backbone.features)
