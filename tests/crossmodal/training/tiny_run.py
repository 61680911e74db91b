"""A training small enough for a test, as a whole: pairs that can be learned, two heads, a run folder."""

import math
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossmodal.training.losses import loss_named
from crossmodal.training.optim import grouped_adamw
from crossmodal.training.plan import EpochFigures, TrainingPlan, TrainingTask, Validation
from crossmodal.training.run_dir import RunDir
from crossmodal.training.sampler import BatchSampler, Drawn, seed_everything
from crossmodal.training.trainer import train

PICTURES, CAPTIONS, BATCH = 48, 3, 8
PLAN = TrainingPlan(max_epochs=4, learning_rate=1e-2, patience=9, schedule="cosine", average_decay=0.9, save_every_steps=2)


class TinyLearner(nn.Module):
    """Two linear heads over known features, a temperature, and a loss; `forward` of a batch is the loss."""

    def __init__(self, loss: str = "clip", *, dropout: float = 0.1) -> None:
        super().__init__()
        source = torch.Generator().manual_seed(1)
        seen = torch.randn(PICTURES, 6, generator=source)
        self.register_buffer("pictures", seen @ torch.randn(6, 16, generator=source), persistent=False)
        said = seen[:, None] + 0.3 * torch.randn(PICTURES, CAPTIONS, 6, generator=source)
        self.register_buffer("texts", said @ torch.randn(6, 12, generator=source), persistent=False)
        self.image_head = nn.Sequential(nn.Dropout(dropout), nn.Linear(16, 8))
        self.text_head = nn.Linear(12, 8)
        self.objective = loss_named(loss)
        self.temperature = nn.Parameter(torch.tensor(math.log(self.objective.initial_logit_scale)))

    def encode(self, pictures: Tensor, texts: Tensor) -> tuple[Tensor, Tensor]:
        return functional.normalize(self.image_head(pictures), dim=-1), functional.normalize(self.text_head(texts), dim=-1)

    def forward(self, batch: Drawn) -> Tensor:
        texts = self.texts[batch.pictures[:, None], batch.captions]
        images, said = self.encode(self.pictures[batch.pictures], texts.flatten(0, 1))
        groups, text_groups = batch.pictures, batch.pictures.repeat_interleave(texts.shape[1])
        loss: Tensor = self.objective(images, said, self.temperature.exp(), groups, text_groups)
        return loss

    def validate(self) -> Validation:
        """Share of pictures found by their first caption."""
        images, texts = self.encode(self.pictures, self.texts[:, 0])
        ranks = (texts @ images.T).argsort(dim=1, descending=True).argsort(dim=1).diagonal()
        return Validation(
            float((1.0 / (1 + ranks)).mean()), 0.0, float((ranks == 0).double().mean()), {"mean_rank": float(ranks.double().mean())}
        )


def run(
    folder: Path | None,
    plan: TrainingPlan = PLAN,
    *,
    loss: str = "clip",
    dropout: float = 0.1,
    batch_size: int = BATCH,
    seed: int = 7,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    on_epoch: Callable[[EpochFigures], None] = lambda figures: None,
    stop: threading.Event | None = None,
) -> tuple[list[EpochFigures], TinyLearner]:
    """Begin the run of the folder, or go on with it."""
    seed_everything(seed)
    learner = TinyLearner(loss, dropout=dropout)
    sampler = BatchSampler(range(PICTURES), [CAPTIONS] * PICTURES, batch_size=batch_size, captions_per_picture=2, seed=seed)
    own = torch.Generator().manual_seed(seed)

    def batches(epoch: int, start: int):
        for drawn in sampler.epoch(epoch, start=start):
            if dropout and torch.rand((), generator=own) < 0.2:  # what is random in batches and not drawn from the epoch
                drawn = Drawn(drawn.pictures, drawn.captions[:, [0, 0]])
            yield drawn

    course = TrainingTask(sampler.steps_per_epoch, batches, learner, learner.validate, generators={"batches": own})
    opened = None
    if folder is not None:
        what = ({"loss": loss, "seed": seed}, {"digest": "tiny"})
        begun = (folder / "settings.json").exists()
        opened = RunDir.resume(folder, *what) if begun else RunDir.create(folder, *what, product="test 1")
    optimizer = grouped_adamw(learner, plan)
    history = train(learner, plan, course, optimizer, folder=opened, on_step=on_step, on_epoch=on_epoch, stop=stop)
    return history, learner


def run_and_die(folder: str, at_step: int) -> None:
    """Run in a process of its own that is killed as the system kills: within a step, without a chance to tidy up."""
    torch.set_num_threads(1)

    def die(done: int, _total: int) -> None:
        if done == at_step:
            os.kill(os.getpid(), signal.SIGKILL)

    run(Path(folder), on_step=die)
