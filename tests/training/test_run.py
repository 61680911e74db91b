"""A run that is broken off goes on to the same numbers; a run that cannot be is refused in a sentence."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossmodal.errors import TrainingError
from crossmodal.progress import Progress, Stopped
from crossmodal.runtimes.torch import torch_threads
from engine.models.train import train_model
from tests.training.parts import drawn_data, small, small_run
from training.presets import PRESETS
from training.run import RunSettings

pytestmark = pytest.mark.slow


def history(folder: Path) -> list[dict]:
    lines = (folder / "run" / "history.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


@pytest.mark.parametrize("name", ["mobilenet-minilm", "mobilenet-gru"])
def test_a_stopped_run_goes_on_to_the_same_numbers(tmp_path: Path, name: str) -> None:
    data = drawn_data()
    changes = {"epochs": 3, "image_blocks": 1}
    with torch_threads(1):
        whole = small_run(name, tmp_path / "whole", data, **changes)
        stop, moments = threading.Event(), []

        def stop_later(moment: Progress) -> None:
            if moment.step == "train" and not moment.finished:
                moments.append(moment)
                if len(moments) in (3, 5):
                    stop.set()

        resume = False
        while True:
            stop.clear()
            try:
                recipe = replace(PRESETS[name].recipe, **changes, batch_size=16)
                run = RunSettings(
                    tmp_path / "broken" / "run", tmp_path / "broken" / "cache", "drawn", name, (), recipe, seed=3, resume=resume
                )
                broken = train_model(small(name), data, run, on_progress=stop_later, stop=stop)
                break
            except Stopped:
                resume = True
    assert resume
    assert broken is not None
    assert history(tmp_path / "broken") == history(tmp_path / "whole")
    assert broken.result.to_dict() == whole.result.to_dict()
    assert broken.model.model_id != ""
    for one, other in zip(broken.model.system.state_dict().values(), whole.model.system.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_features_are_encoded_once_for_all_runs(tmp_path: Path) -> None:
    data = drawn_data()
    told: list[Progress] = []
    small_run("mobilenet-minilm", tmp_path, data, told=told.append)
    assert {moment.step for moment in told} >= {"features", "train", "evaluate"}
    again: list[Progress] = []
    (tmp_path / "run").rename(tmp_path / "first")
    small_run("mobilenet-minilm", tmp_path, data, told=again.append, learning_rate=1e-4)
    assert not [moment for moment in again if moment.step == "features"]


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    small_run("mobilenet-gru", tmp_path, drawn_data())
    with pytest.raises(TrainingError, match="holds a training run already") as caught:
        small_run("mobilenet-gru", tmp_path, drawn_data())
    assert "--resume" in caught.value.remedy
    with pytest.raises(TrainingError, match="was begun with recipe"):
        small_run("mobilenet-gru", tmp_path, drawn_data(), resume=True, learning_rate=0.5)
    with pytest.raises(TrainingError, match="data of the run"):
        small_run("mobilenet-gru", tmp_path, drawn_data(72), resume=True)


def test_a_loss_that_runs_away_is_a_sentence_and_keeps_what_was_good(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a finite number in epoch") as caught:
        small_run("mobilenet-gru", tmp_path, drawn_data(), epochs=30, learning_rate=1e30, schedule="step", loss="triplet")
    assert caught.value.remedy


@pytest.mark.parametrize("loss", ["clip", "infonce", "triplet", "siglip"])
def test_every_loss_trains(tmp_path: Path, loss: str) -> None:
    report = small_run("mobilenet-gru", tmp_path, drawn_data(), loss=loss, epochs=2)
    assert len(report.model.card.history) == 2


def test_crops_and_averages_and_several_captions(tmp_path: Path) -> None:
    report = small_run(
        "mobilenet-minilm", tmp_path, drawn_data(), views=4, average_decay=0.9, captions=2, text_blocks=1, image_blocks=2
    )
    assert len(report.model.card.history) == 1
