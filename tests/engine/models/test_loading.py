"""A model from its file: refused when anything about it is not as it must be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from crossmodal.errors import CheckpointError
from crossmodal.training.checkpoints import load_checkpoint, save_checkpoint
from engine.models.loading import load_model
from tests.tiny import shared_resnet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.pth"
    shared_resnet().save(path)
    return path


@pytest.fixture
def changed(saved: Path, tmp_path: Path) -> Callable[[Callable[[dict[str, Any], dict[str, Any]], object]], Path]:
    """The saved model after somebody changed details or weights and wrote a fitting digest."""

    def write(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> Path:
        checkpoint = load_checkpoint(saved)
        details, state = json.loads(json.dumps(checkpoint.details)), dict(checkpoint.state)
        change(details, state)
        save_checkpoint(tmp_path / "model.pth", state, details)
        return tmp_path / "model.pth"

    return write


REFUSED: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], object], str]] = {
    "no spec": (lambda details, state: details.pop("spec"), "does not say how it was made"),
    "no card": (lambda details, state: details.pop("card"), "does not say how it was made"),
    "spec is a text": (lambda details, state: details.update(spec="64"), "does not say how it was made"),
    "spec is null": (lambda details, state: details.update(spec=None), "does not say how it was made"),
    "a spec field too many": (lambda details, state: details["spec"].update(width=3), "does not say how it was made"),
    "a spec field of text": (lambda details, state: details["spec"].update(embed_dim="32"), "does not say how it was made"),
    "a spec field that is true": (
        lambda details, state: details["spec"].update(max_text_tokens=True),
        "does not say how it was made",
    ),
    "half a dimension": (lambda details, state: details["spec"].update(embed_dim=32.5), "does not say how it was made"),
    "endless dimension": (lambda details, state: details["spec"].update(embed_dim=10**400), "does not say how it was made"),
    "another tokenizer": (lambda details, state: details["spec"].update(tokenizer_version="md5-1"), "uses tokenizer 'md5-1'"),
    "huge vocabulary": (lambda details, state: details["spec"].update(vocab_size=2**30), "invalid sizes"),
    "no pixels": (lambda details, state: details["spec"].update(image_size_px=0), "invalid sizes"),
    "negative dimension": (lambda details, state: details["spec"].update(embed_dim=-32), "invalid sizes"),
    "another dimension": (lambda details, state: details["spec"].update(embed_dim=64), r"\(32, 512\) .* but \(64, 512\)"),
    "the largest vocabulary, not stored": (lambda details, state: details["spec"].update(vocab_size=2**20), "is needed"),
    "no weights note": (lambda details, state: details["card"].pop("weights_note"), "does not say how it was made"),
    "card of numbers in text": (lambda details, state: details["card"].update(trained_on="many"), "does not say how it was made"),
    "card of lists": (lambda details, state: details["card"].update(weights=["random"]), "does not say how it was made"),
    "card of NaN": (lambda details, state: details["card"].update(training_seconds=float("nan")), "does not say how it was made"),
    "history is a number": (lambda details, state: details["card"].update(history=3), "does not say how it was made"),
    "history of texts": (lambda details, state: details["card"].update(history=["good"]), "does not say how it was made"),
    "figures without chance": (
        lambda details, state: details["card"]["held_out"].pop("chance_at_1"),
        "does not say how it was made",
    ),
    "a missing weight": (lambda details, state: state.pop("temperature"), r"another network: missing \['temperature'\]"),
    "an unknown weight": (lambda details, state: state.update(extra=torch.ones(1)), r"unknown \['extra'\]"),
    "a shape": (
        lambda details, state: state.update({"image_encoder.head.layers.0.bias": torch.ones(3, 3)}),
        r"image_encoder.head.layers.0.bias of \(3, 3\) torch.float32, but \(32,\) torch.float32 is needed",
    ),
    "half precision": (
        lambda details, state: state.update({"image_encoder.head.layers.0.bias": torch.ones(32).half()}),
        r"torch.float16, but \(32,\) torch.float32 is needed",
    ),
    "all zero": (
        lambda details, state: state.update({name: torch.zeros_like(value) for name, value in state.items()}),
        "not unit vectors",
    ),
    "numbers that overflow": (
        lambda details, state: state.update({"image_encoder.head.layers.0.weight": torch.full((32, 512), 3e38)}),
        "not unit vectors",
    ),
    "a negative variance": (
        lambda details, state: state.update({"image_encoder.backbone.network.bn1.running_var": torch.full((64,), -1.0)}),
        "not unit vectors",
    ),
}


@pytest.mark.parametrize(("change", "match"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_that_was_changed_with_care_is_refused(
    changed: Callable[..., Path], change: Callable[..., object], match: str
) -> None:
    with pytest.raises(CheckpointError, match=match) as caught:
        load_model(changed(change))
    assert caught.value.code == "checkpoint_invalid"
    assert caught.value.remedy
    assert len(str(caught.value)) < 600


def test_a_model_that_was_never_measured_is_welcome(changed: Callable[..., Path]) -> None:
    card = load_model(changed(lambda details, state: details["card"].update(held_out=None, history=[]))).card
    assert card.held_out is None
    assert card.history == ()


def test_loading_leaves_the_random_numbers_alone(saved: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    load_model(saved)
    assert torch.equal(torch.rand(3), expected)
