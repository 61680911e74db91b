"""The fake collection of the page's tests has the signatures and fields of what it stands for."""

from pathlib import Path

import pytest

from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.evaluation.result import DirectionFigures, Figure, RetrievalResult
from crossmodal.training.plan import EpochFigures
from engine.info import ModelGeneration, ModelInfo, SourceInfo, SystemInfo, TrainingEstimate
from engine.live import LiveApp
from engine.self_evaluation import CollectionMetrics
from tests.signatures import differences, used_on
from tests.ui import fake_app, fake_models
from tests.ui.fake_app import FakeApp

UI = Path(__file__).resolve().parents[2] / "ui"


def test_its_methods_are_those_of_the_app() -> None:
    assert differences(FakeApp, LiveApp, own={"put", "keep_models"}) == []


def test_it_has_whatever_the_page_uses() -> None:
    used = used_on("app", UI)

    assert used - {*dir(FakeApp), *vars(FakeApp())} == set()
    assert {"search", "captions_for_image", "start_indexing"} <= used


@pytest.mark.parametrize(
    ("fake", "real"),
    [
        (fake_app.FakeFigures, RetrievalFigures),
        (fake_app.FakeEpoch, EpochFigures),
        (fake_app.FakeModelInfo, ModelInfo),
        (fake_app.FakeSource, SourceInfo),
        (fake_app.FakeInfo, SystemInfo),
        (fake_app.FakeEstimate, TrainingEstimate),
        (fake_models.FakeGeneration, ModelGeneration),
        (fake_models.FakeFigure, Figure),
        (fake_models.FakeDirection, DirectionFigures),
        (fake_models.FakeResult, RetrievalResult),
        (fake_models.FakeOwnFigures, CollectionMetrics),
    ],
)
def test_its_values_have_the_fields_of_the_real_ones(fake: type, real: type) -> None:
    assert differences(fake, real) == []
