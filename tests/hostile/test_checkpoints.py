"""Every hostile checkpoint through the door that models come in by, derived from a model that this program saved."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.models.loading import load_model
from engine.models.trained import TrainedModel
from tests.hostile.conftest import Corpus, Entry
from tests.hostile.memory import CAN_RESET, peak_mb, reset_peak
from tests.hostile.outcomes import Outcome, outcome_of
from tests.tiny import SMALL, untrained

pytestmark = pytest.mark.slow

MAX_GROWTH_MB = 256.0
TEXTS = ["red mug", "a striped umbrella", "?"]

Verdicts = list[tuple[Entry, Outcome]]


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return untrained(seed=3)


@pytest.fixture(scope="module")
def corpus(hostile_corpus: Corpus, model: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    """Some twenty variants of the whole model, gone when the tests are done."""
    folder = tmp_path_factory.mktemp("checkpoints")
    model.save(folder / "base.pth")
    yield Corpus(folder, base_ckpt=str(folder / "base.pth"), canary=str(folder / "canary"))
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def verdicts(corpus: Corpus) -> Verdicts:
    """Every file read once, one after another, with the memory that each took above what was there before it."""
    entries = corpus.entries("checkpoint")
    load_model(corpus.folder("checkpoint") / "checkpoint" / "good_base.pt")
    found = []
    for entry in entries:
        if CAN_RESET:
            reset_peak()
        before = peak_mb()
        path = corpus.folder("checkpoint") / entry["path"]
        outcome = outcome_of(lambda path=path: load_model(path))
        outcome.peak_mb = peak_mb() - before
        if outcome.value is not None:
            outcome.value = answers(outcome.value)
        found.append((entry, outcome))
    return found


def answers(model: TrainedModel) -> np.ndarray:
    """What a model makes of three texts and a picture."""
    grey = np.full((1, SMALL.image_size_px, SMALL.image_size_px, 3), 90, np.uint8)
    return np.concatenate([model.encode_texts(TEXTS), model.encode_pixels(grey)])


def test_every_checkpoint_ends_as_the_manifest_says(verdicts: Verdicts) -> None:
    wrong = {
        entry["id"]: complaint
        for entry, outcome in verdicts
        if (complaint := outcome.complaint(entry["expect"]["outcome"], entry["expect"].get("code", "")))
    }
    assert len(verdicts) >= 54
    assert not wrong


def test_nothing_was_executed(verdicts: Verdicts, corpus: Corpus) -> None:
    assert verdicts
    assert not corpus.canary_fired("checkpoint")
    assert not Path("/tmp/hostile_escape").exists()


def test_no_checkpoint_takes_long_or_much_memory(verdicts: Verdicts) -> None:
    slow = {entry["id"]: outcome.seconds for entry, outcome in verdicts if outcome.seconds > entry["limit"]["seconds"]}
    assert not slow
    assert not {entry["id"]: outcome.peak_mb for entry, outcome in verdicts if outcome.peak_mb > MAX_GROWTH_MB}


def test_what_was_accepted_answers_as_the_model_it_came_from(verdicts: Verdicts, model: TrainedModel) -> None:
    expected = answers(model)
    accepted = {entry["id"]: outcome.value for entry, outcome in verdicts if outcome.value is not None}
    assert "checkpoint/good_base" in accepted
    for name, found in accepted.items():
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=name)


def test_every_refusal_names_the_file_and_says_what_to_do(verdicts: Verdicts) -> None:
    refused = [(entry, outcome) for entry, outcome in verdicts if outcome.code]
    assert len(refused) > 40
    for entry, outcome in refused:
        assert Path(entry["path"]).name in outcome.message, entry["id"]
        assert len(outcome.message) < 400, entry["id"]


def test_a_pointer_of_git_lfs_is_recognised(corpus: Corpus) -> None:
    [entry] = [entry for entry in corpus.entries("checkpoint") if entry["id"] == "checkpoint/lfs_pointer"]
    outcome = outcome_of(lambda: load_model(corpus.folder("checkpoint") / entry["path"]))
    assert "Git LFS pointer" in outcome.message


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_corpus_would_have_fired(corpus: Corpus) -> None:
    """A reader that trusts its file is caught by the canary: otherwise its absence would prove nothing."""
    path = next(corpus.folder("checkpoint") / entry["path"] for entry in corpus.entries("checkpoint") if "exec_zip" in entry["id"])
    assert not corpus.canary_fired("checkpoint")
    try:
        torch.load(path, weights_only=False)
    finally:
        fired = corpus.canary_fired("checkpoint")
        (corpus.folder("checkpoint").parent / "canary").unlink(missing_ok=True)
    assert fired
