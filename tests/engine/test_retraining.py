"""From pictures and titles to a model with honest figures."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossmodal.backbones.resnet import Weights, resnet18
from crossmodal.errors import PictureError, QueryError, StoreError, TrainingError
from crossmodal.progress import Progress, Stopped, ignore_progress
from engine import retraining
from engine.live import LiveApp
from engine.retraining import (
    DatasetSplit,
    collect_training_data,
    describe_skipped,
    evaluate_held_out,
    fit_model,
    why_not_trained_here,
)
from tests import tiny
from tests.app_parts import csv_source, make_live_app, things
from tests.tiny import RANDOM, SETTINGS, SPEC, pairs, shared_model, shared_resnet

QUICK = replace(SETTINGS, max_epochs=2)


@pytest.mark.slow
def test_learning_beats_chance_on_pictures_it_never_saw() -> None:
    card = shared_resnet().card
    assert card.held_out is not None
    assert (card.held_out.queries, card.held_out.gallery) == (30, 30)
    assert card.held_out.chance_at_1 == pytest.approx(0.1)
    assert card.held_out.recall_at_1 > 3 * card.held_out.chance_at_1
    assert card.held_out.recall_at_5 > 1.5 * card.held_out.chance_at_5


@pytest.mark.slow
def test_the_card_says_how_it_came_to_be() -> None:
    card = shared_resnet().card
    assert (card.weights, card.weights_note, card.catalogue) == (RANDOM.name, RANDOM.note, "drawn")
    assert card.trained_on == 60
    assert card.training_seconds > 0
    assert [entry.epoch for entry in card.history] == list(range(1, len(card.history) + 1))


@pytest.mark.slow
def test_figures_on_the_card_are_those_of_the_model_in_use() -> None:
    model = shared_resnet()
    assert evaluate_held_out(model.system, pairs(30, seed=1)) == model.card.held_out
    assert evaluate_held_out(model.system, pairs(0)) is None


@pytest.mark.slow
def test_the_same_seed_learns_the_same() -> None:
    def weights_after(seed: int) -> bytes:
        settings = replace(QUICK, seed=seed)
        model = fit_model(DatasetSplit(pairs(30), pairs(0), "x"), SPEC, settings, weights=RANDOM, on_progress=lambda progress: None)
        return b"".join(value.numpy().tobytes() for value in model.system.state_dict().values())

    first, second, other = weights_after(1), weights_after(1), weights_after(2)
    assert first == second
    assert first != other


@pytest.mark.slow
def test_nothing_held_out_gives_no_figures() -> None:
    model = fit_model(DatasetSplit(pairs(30), pairs(0), "x"), SPEC, QUICK, weights=RANDOM, on_progress=lambda progress: None)
    assert model.card.held_out is None
    assert model.model_id == ""  # it has an id when it is saved


@pytest.mark.slow
def test_with_pretrained_weights_the_backbone_is_left_as_it_came() -> None:
    torch.manual_seed(7)
    state = resnet18().state_dict()
    model = tiny_with(Weights("ImageNet weights", "From a file.", state))
    assert model.card.weights == "ImageNet weights"
    kept = model.system.image_encoder.backbone.get_submodule("network").state_dict()
    assert all(torch.equal(value, state[name]) for name, value in kept.items())


def tiny_with(weights: Weights) -> retraining.TrainedModel:
    return fit_model(
        DatasetSplit(pairs(40), pairs(10, seed=1), "x"), SPEC, QUICK, weights=weights, on_progress=lambda progress: None
    )


@pytest.mark.slow
def test_progress_goes_forward_and_ends_with_nothing_left() -> None:
    told: list[Progress] = []
    fit_model(DatasetSplit(pairs(40), pairs(0), "x"), SPEC, QUICK, weights=RANDOM, on_progress=told.append)
    steps = [moment for moment in told if not moment.figures]
    epochs = [moment for moment in told if moment.figures]
    assert [moment.done for moment in steps] == list(range(1, steps[-1].total + 1))
    assert steps[0].message == "Training on this computer, epoch 1 of 2"
    assert steps[-1].message == "Training on this computer, epoch 2 of 2"
    assert [(moment.done, moment.total) for moment in epochs] == [(1, 2), (2, 2)]
    assert [moment.figures["epoch"] for moment in epochs] == [1, 2]
    assert set(epochs[0].figures) == {"epoch", "loss", "validation_recall_at_1"}
    assert all(moment.step == "model" and moment.seconds_left is not None for moment in told)
    assert told[-1].seconds_left == 0
    assert all(moment.rate_per_s > 0 for moment in steps)


def test_the_estimate_knows_that_large_pictures_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(retraining.time, "monotonic", lambda: clock[0])
    told: list[Progress] = []
    watch = retraining._Reporter(told.append, [32, 32, 64, 64], 100.0)
    for seconds, done in ((1.0, 1), (1.0, 2), (2.0, 3), (2.0, 4)):
        clock[0] += seconds
        watch.step(done * 5, 20)
    assert [moment.seconds_left for moment in told] == [5.0, 4.0, 2.0, 0.0]


def test_stop_and_too_few_pictures_end_it() -> None:
    stop = threading.Event()
    stop.set()
    data = DatasetSplit(pairs(30), pairs(0), "x")
    with pytest.raises(Stopped):
        fit_model(data, SPEC, QUICK, weights=RANDOM, on_progress=lambda progress: None, stop=stop)
    with pytest.raises(TrainingError):
        fit_model(DatasetSplit(pairs(2), pairs(0), "x"), SPEC, QUICK, weights=RANDOM, on_progress=lambda progress: None)


def test_a_device_that_is_not_there_is_refused_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    told: list[Progress] = []
    with pytest.raises(QueryError, match="device cuda is not available"):
        fit_model(
            DatasetSplit(pairs(30), pairs(0), "x"), SPEC, replace(QUICK, device="cuda"), weights=RANDOM, on_progress=told.append
        )
    assert not told


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_model_trained_on_a_gpu_is_used_on_the_processor() -> None:
    settings = replace(QUICK, device="cuda")
    model = fit_model(DatasetSplit(pairs(40), pairs(10, seed=1), "x"), SPEC, settings, weights=RANDOM, on_progress=ignore_progress)
    assert {value.device.type for value in model.system.state_dict().values()} == {"cpu"}


def test_the_drawn_pictures_are_what_their_titles_say() -> None:
    """The data of these tests: enough different pictures, each kind in both halves."""
    train, held = pairs(60), pairs(30, seed=1)
    assert len(set(train.content_hashes)) == 60
    assert not set(train.content_hashes) & set(held.content_hashes)
    assert len(set(train.groups)) == len(tiny.COLOURS) * len(tiny.THINGS) == 10


ITEMS = 60


@pytest.fixture
def app(tmp_path: Path) -> Iterator[LiveApp]:
    app = make_live_app(tmp_path, shared_model().save(tmp_path / "model.pth"))
    app.tasks.index(str(csv_source(tmp_path / "mine", things(ITEMS))), ignore_progress)
    yield app
    app.close()


def damage(folder: Path, *places: int) -> list[str]:
    """Stored pictures overwritten from outside; returns their content hashes."""
    with closing(sqlite3.connect(folder / "catalog.sqlite3")) as db:
        hashes = [row[0] for row in db.execute("SELECT content_hash FROM items ORDER BY item_id")]
        found = [hashes[place] for place in places]
        db.executemany("UPDATE pictures SET rendition = x'00' WHERE content_hash = ?", [(each,) for each in found])
        db.commit()
    return found


def test_damaged_pictures_are_left_out_and_counted(app: LiveApp, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = damage(tmp_path, 0, 41)
    told: list[Progress] = []
    data = collect_training_data(app, 1000, told.append)
    found = {*data.train.content_hashes, *data.held_out.content_hashes}
    assert len(found) == ITEMS - 2
    assert not found & set(bad)
    assert data.damaged == 2
    assert told[-1].message == "2 damaged pictures were left out."
    assert "2 damaged pictures were left out. Their items: 1, 42" in caplog.text


def test_a_sound_collection_is_taken_whole(app: LiveApp, caplog: pytest.LogCaptureFixture) -> None:
    data = collect_training_data(app, 1000, ignore_progress)
    assert (len(data.train) + len(data.held_out), data.damaged) == (ITEMS, 0)
    assert "left out" not in caplog.text


def test_too_few_sound_pictures_say_why(app: LiveApp, tmp_path: Path) -> None:
    damage(tmp_path, *range(11))
    with pytest.raises(TrainingError, match=r"There are 49 pictures .* needs 50\. 11 damaged pictures were left out\."):
        collect_training_data(app, 1000, ignore_progress)


@pytest.mark.parametrize(
    ("error", "damaged"), [(QueryError("not_found", "removed meanwhile"), 0), (PictureError("image_corrupt", "no picture"), 1)]
)
def test_one_that_cannot_be_had_does_not_end_it(
    app: LiveApp, monkeypatch: pytest.MonkeyPatch, error: Exception, damaged: int
) -> None:
    raising(app, monkeypatch, error)
    data = collect_training_data(app, 1000, ignore_progress)
    assert (len(data.train) + len(data.held_out), data.damaged) == (ITEMS - 1, damaged)


def test_a_disk_that_fails_ends_it(app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no damaged picture: with the disk back, all of them are there."""
    raising(app, monkeypatch, StoreError("index_missing", "The disk is away."))
    with pytest.raises(StoreError, match="away"):
        collect_training_data(app, 1000, ignore_progress)


def raising(app: LiveApp, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The third item cannot be had."""
    rendition = app.store.pictures.rendition

    def third_fails(item_id: int) -> bytes:
        if item_id == 3:
            raise error
        return rendition(item_id)

    monkeypatch.setattr(app.store.pictures, "rendition", third_fails)


def test_how_it_is_said() -> None:
    assert describe_skipped(0) == ""
    assert describe_skipped(1) == "1 damaged picture was left out."


def test_the_built_in_model_names_the_command_that_trains_one() -> None:
    """It has nothing to train itself; `train --preset everyday` would do nothing."""
    model = tiny.untrained(seed=0)
    assert why_not_trained_here(model) is None
    model.spec = replace(model.spec, preset="everyday")
    said = why_not_trained_here(model)
    assert said is not None
    assert said.endswith("train --preset resnet18-gru")
