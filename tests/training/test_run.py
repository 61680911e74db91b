"""A run that is broken off goes on to the same numbers; a run that cannot be is refused in a sentence."""

import json
import threading
from pathlib import Path

import pytest
import torch

from crossmodal.errors import TrainingError
from crossmodal.progress import OnProgress, Progress, Stopped
from crossmodal.runtimes.torch import torch_threads
from tests.training.parts import drawn_data, small_run, small_training

pytestmark = pytest.mark.slow


def history(folder: Path) -> list[dict]:
    lines = (folder / "run" / "history.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


def stopping(stop: threading.Event, *steps: int) -> OnProgress:
    """Sets `stop` when a training has reported so many steps, over all its parts."""
    reported = 0

    def on_progress(progress: Progress) -> None:
        nonlocal reported
        if progress.step == "train" and not progress.finished:
            reported += 1
            if reported in steps:
                stop.set()

    return on_progress


@pytest.mark.parametrize("name", ["mobilenet-minilm", "mobilenet-gru"])
def test_a_stopped_run_goes_on_to_the_same_numbers(tmp_path: Path, name: str) -> None:
    data, changes = drawn_data(), {"epochs": 2, "image_blocks": 1}
    stop = threading.Event()
    stop_later = stopping(stop, 3, 5)  # at the end of the first epoch, and within the second
    with torch_threads(1):
        whole, _ = small_training(name, tmp_path / "whole", data, **changes)
        for resume in (False, True):
            with pytest.raises(Stopped):
                small_training(name, tmp_path / "broken", data, told=stop_later, stop=stop, resume=resume, **changes)
            stop.clear()
        broken, outcome = small_training(name, tmp_path / "broken", data, resume=True, **changes)
    assert history(tmp_path / "broken") == history(tmp_path / "whole")
    assert len(outcome.history) == 2
    assert all(torch.equal(broken[key], whole[key]) for key in whole | broken)


def test_a_resumed_run_is_evaluated_like_a_whole_one(tmp_path: Path) -> None:
    data, stop = drawn_data(), threading.Event()
    with torch_threads(1):
        whole = small_run("mobilenet-gru", tmp_path / "whole", data)
        with pytest.raises(Stopped):
            small_training("mobilenet-gru", tmp_path / "broken", data, told=stopping(stop, 1), stop=stop)
        broken = small_run("mobilenet-gru", tmp_path / "broken", data, resume=True)
    assert broken.result.to_dict() == whole.result.to_dict()
    assert broken.model.model_id != ""


def test_features_are_encoded_once_for_all_runs(tmp_path: Path) -> None:
    data = drawn_data()
    told: list[Progress] = []
    small_run("mobilenet-minilm", tmp_path, data, told=told.append)
    assert {moment.step for moment in told} >= {"features", "train", "evaluate"}
    again: list[Progress] = []
    (tmp_path / "run").rename(tmp_path / "first")
    small_training("mobilenet-minilm", tmp_path, data, told=again.append, learning_rate=1e-4)
    assert not [moment for moment in again if moment.step == "features"]


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    small_training("mobilenet-gru", tmp_path, drawn_data())
    with pytest.raises(TrainingError, match="holds a training run already") as caught:
        small_training("mobilenet-gru", tmp_path, drawn_data())
    assert "--resume" in caught.value.remedy
    with pytest.raises(TrainingError, match="was begun with recipe"):
        small_training("mobilenet-gru", tmp_path, drawn_data(), resume=True, learning_rate=0.5)
    with pytest.raises(TrainingError, match="data of the run"):
        small_training("mobilenet-gru", tmp_path, drawn_data(72), resume=True)


def test_a_loss_that_runs_away_is_a_sentence_and_keeps_what_was_good(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a finite number in epoch") as caught:
        small_training("mobilenet-gru", tmp_path, drawn_data(), epochs=30, learning_rate=1e30, schedule="step", loss="triplet")
    assert caught.value.remedy


@pytest.mark.parametrize("loss", ["clip", "infonce", "triplet", "siglip"])
def test_every_loss_trains(tmp_path: Path, loss: str) -> None:
    _, outcome = small_training("mobilenet-gru", tmp_path, drawn_data(), loss=loss, epochs=2)
    assert len(outcome.history) == 2


def test_crops_and_averages_and_several_captions(tmp_path: Path) -> None:
    _, outcome = small_training(
        "mobilenet-minilm", tmp_path, drawn_data(), views=4, average_decay=0.9, captions=2, text_blocks=1, image_blocks=2
    )
    assert len(outcome.history) == 1
