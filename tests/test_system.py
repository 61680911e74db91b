"""The joint model, and the short training that makes it useful."""

import math
import threading
from dataclasses import replace

import pytest
import torch

from crossmodal.errors import TrainingError
from crossmodal.progress import Stopped
from crossmodal.training.plan import EpochFigures, TrainingPlan
from datasets import LostFoundDataset
from engine.models.trained import build_untrained
from system import MAX_LOGIT_SCALE, LostFoundSystem, backbone_features, evaluate_titles, minimal_train_model
from tests.tiny import SPEC, pairs

PLAN = TrainingPlan(max_epochs=2, learning_rate=1e-3, patience=9)


@pytest.fixture
def system() -> LostFoundSystem:
    return build_untrained(SPEC, seed=1)


def train(system: LostFoundSystem, dataset: LostFoundDataset | None = None, **options: object) -> list[EpochFigures]:
    given = {"plan": PLAN, "batch_size": 16, "seed": 4, **options}
    return minimal_train_model(system, dataset or pairs(40, size=16), **given)


def test_temperature_is_clips() -> None:
    system = build_untrained(SPEC)
    assert system.temperature.item() == pytest.approx(math.log(1 / 0.07))
    assert system.logit_scale.item() == pytest.approx(1 / 0.07)
    assert "temperature" in system.state_dict()
    with torch.no_grad():
        system.temperature.fill_(50.0)
    assert system.logit_scale.item() == MAX_LOGIT_SCALE


def test_logits_are_scaled_cosines(system: LostFoundSystem) -> None:
    images, texts = torch.rand(3, 3, 32, 32), ["red mug", "blue hat"]
    with torch.inference_mode():
        system.eval()
        logits = system(images, texts)
        assert logits.shape == (3, 2)
        expected = [[(system.logit_scale * (i @ t)).item() for t in system.encode_text(texts)] for i in system.encode_image(images)]
    torch.testing.assert_close(logits, torch.tensor(expected))
    assert logits.abs().max() <= 1 / 0.07 + 1e-4


@pytest.mark.slow
def test_same_seed_same_network() -> None:
    first, second, other = (build_untrained(SPEC, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.slow
def test_same_seed_same_training() -> None:
    def run(seed: int) -> tuple[list[EpochFigures], dict[str, torch.Tensor]]:
        torch.rand(seed)  # what went before does not matter
        system = build_untrained(SPEC, seed=1)
        history = train(system, seed=seed, sizes=[8, 16])
        return [replace(entry, seconds=0.0) for entry in history], system.state_dict()

    (first, weights), (second, again), (other, _) = run(4), run(4), run(5)
    assert first == second != other
    assert all(torch.equal(weights[name], again[name]) for name in weights)


@pytest.mark.slow
def test_training_tells_every_step_and_epoch(system: LostFoundSystem) -> None:
    steps, epochs = [], []
    history = train(system, on_step=lambda done, total: steps.append((done, total)), on_epoch=epochs.append)
    assert history == epochs
    assert steps == [(done, 2 * 2) for done in range(1, 5)]  # 36 of 40 pictures are trained on, in batches of 16
    assert all(math.isfinite(entry.loss) and 0 <= entry.recall_at_1 <= 1 for entry in history)


@pytest.mark.slow
def test_validation_pictures_are_never_trained_on(system: LostFoundSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = pairs(40, size=16)
    trained_on, held = dataset.split(0.1, salt="validation")
    seen: set[bytes] = set()
    batch = LostFoundDataset.batch

    def spy(self: LostFoundDataset, indices: list[int]) -> torch.Tensor:
        pictures = batch(self, indices)
        if system.training:
            seen.update(picture.numpy().tobytes() for picture in pictures)
        return pictures

    monkeypatch.setattr(LostFoundDataset, "batch", spy)
    train(system, dataset, plan=replace(PLAN, max_epochs=4))
    assert seen <= {picture.numpy().tobytes() for picture in trained_on.pixels}
    assert not seen & {picture.numpy().tobytes() for picture in held.pixels}
    assert len(seen) > 30


@pytest.mark.slow
def test_a_frozen_backbone_stays_to_the_bit(system: LostFoundSystem) -> None:
    before = {name: value.clone() for name, value in system.state_dict().items()}
    history = train(system, frozen_backbone=True)
    assert len(history) == 2
    after = system.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not {name for name in changed if name.startswith("image_encoder.backbone.network.")}
    assert {"temperature", "image_encoder.head.layers.0.weight", "text_encoder.head.layers.0.weight"} <= changed


@pytest.mark.slow
def test_a_backbone_can_learn_again_after_it_was_frozen(system: LostFoundSystem) -> None:
    train(system, frozen_backbone=True)
    before = system.image_encoder.backbone.network.conv1.weight.clone()
    train(system)
    assert not torch.equal(system.image_encoder.backbone.network.conv1.weight, before)


@pytest.mark.slow
def test_titles_without_a_common_word_can_be_trained_on(system: LostFoundSystem) -> None:
    dataset = pairs(20, size=16)
    odd = LostFoundDataset(dataset.pixels, [(f"word{i}",) for i in range(20)], dataset.content_hashes)
    assert all(math.isfinite(entry.loss) for entry in train(system, odd))


def test_stop_is_heard(system: LostFoundSystem) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        train(system, stop=stop)


@pytest.mark.slow
@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_pictures_are_said(system: LostFoundSystem, n: int) -> None:
    with pytest.raises(TrainingError, match="cannot be split"):
        minimal_train_model(system, pairs(n, size=16), plan=PLAN, batch_size=8, seed=0)


@pytest.mark.slow
def test_a_rate_that_runs_away_is_said_and_names_the_batch(system: LostFoundSystem) -> None:
    with pytest.raises(TrainingError, match="epoch"):
        train(system, plan=replace(PLAN, learning_rate=1e30, max_epochs=4))


@pytest.mark.slow
def test_evaluation_equals_its_parts_and_leaves_the_mode(system: LostFoundSystem) -> None:
    dataset = pairs(12, size=16)
    features = backbone_features(system, dataset, part=5)
    assert features.shape == (12, 512)
    torch.testing.assert_close(features, backbone_features(system, dataset), rtol=1e-4, atol=1e-5)
    assert evaluate_titles(system, dataset) == evaluate_titles(system, dataset, features=backbone_features(system, dataset))
    assert system.training
    figures = evaluate_titles(system, dataset)
    assert (figures.queries, figures.gallery) == (12, 12)


def test_nothing_to_evaluate(system: LostFoundSystem) -> None:
    nothing = pairs(0)
    assert backbone_features(system, nothing).shape == (0, 512)
    assert evaluate_titles(system, nothing).queries == 0
