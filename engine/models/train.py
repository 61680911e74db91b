"""Train and evaluate a model in a run folder."""

import threading
import time
from dataclasses import dataclass, replace

import torch

from crossmodal.evaluation.result import RetrievalResult
from crossmodal.progress import OnProgress
from crossmodal.runtimes.device import resolve_device
from engine.models.build import Assembled
from engine.models.spec import ModelCard
from engine.models.trained import TrainedModel
from training.data import TEST, TRAIN, TrainingData
from training.report import evaluate_model, held_out_figures, write_report
from training.run import RunSettings, train_run

MODEL = "model.pth"


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """A trained model with its metrics on the test side. `training_seconds` does not include `encoding_seconds`."""

    model: TrainedModel
    result: RetrievalResult
    encoding_seconds: float
    training_seconds: float


def train_model(
    assembled: Assembled,
    data: TrainingData,
    settings: RunSettings,
    *,
    on_progress: OnProgress,
    stop: threading.Event | None = None,
) -> TrainingReport:
    """Train, evaluate on the test side, and save `model.pth` and the reports in the run folder.

    Raises:
        TrainingError, Stopped: see `train_run`. StoreError: the folder cannot be written.
    """
    outcome = train_run(assembled.system, data, settings, on_progress=on_progress, stop=stop)
    spec, test = assembled.spec, data.side(TEST)
    card = ModelCard(
        weights="pretrained weights" if assembled.pretrained else "random weights",
        weights_note=" ".join(assembled.notes),
        catalogue=settings.source,
        trained_on=len(data.side(TRAIN)) if settings.recipe.epochs else 0,
        trained_at=time.time(),
        training_seconds=outcome.training_seconds,
        held_out=None,
        history=outcome.history,
    )
    model = TrainedModel(assembled.system, spec, card, model_id="").to(resolve_device(settings.device))
    result = evaluate_model(model, data, test, on_progress, seed=settings.seed)
    model.to(torch.device("cpu")).card = replace(card, held_out=held_out_figures(result))
    settings.folder.mkdir(parents=True, exist_ok=True)
    model.save(settings.folder / MODEL)
    about = {"Model": spec.preset, "Data": settings.source, "Pictures": f"{len(test):,} of the test side"}
    write_report(settings.folder, result, title=f"{spec.preset} on {settings.source}", about=about)
    return TrainingReport(model, result, outcome.encoding_seconds, outcome.training_seconds)
