"""A model ready for use, saved, read again in another process, and refused when anything about it is not as it must be."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossmodal.errors import CheckpointError
from crossmodal.training.checkpoints import load_checkpoint, save_checkpoint
from engine.encoding import encoded_texts
from engine.model_loading import load_model
from engine.trained_model import TrainedModel
from tests.tiny import SPEC, THINGS, drawn, shared_model

PROJECT = Path(__file__).resolve().parents[2]
TEXTS = [
    *("red disc", "bar in blue", "yelow dsic", "a green thing with white dots on it", "RED DISC", "", "?!", "42"),
    *(
        "café",
        "cafe\u0301",
        "हिन्दी कपड़े",
        "红色的鞋子",
        "حذاء أحمر",
        "👟",
        "a" * 200,
        "x y z " * 50,
        "the",
        "umbrella",
        "disc",
        "black bar",
    ),
]
ENCODE = """
import sys
from pathlib import Path
import numpy as np
from engine.model_loading import load_model
model = load_model(Path(sys.argv[1]))
texts = Path(sys.argv[2]).read_text(encoding="utf-8").split("\\n")
pixels = np.load(sys.argv[3])
print(model.model_id, model.encode_texts(texts).tobytes().hex(), model.encode_pixels(pixels).tobytes().hex())
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return shared_model().save(tmp_path_factory.mktemp("model") / "model.pth")


@pytest.fixture(scope="module")
def saved(model: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.pth"
    model.save(path)
    return path


def pictures(n: int = 4) -> np.ndarray:
    return np.stack([drawn("red", THINGS[i % 2], 900 + i) for i in range(n)])


def assert_unit(embeddings: np.ndarray, n: int) -> None:
    assert embeddings.shape == (n, SPEC.embed_dim)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-5)


def test_embeddings_are_unit_vectors(model: TrainedModel) -> None:
    assert_unit(model.encode_texts(TEXTS), len(TEXTS))
    assert_unit(model.encode_pixels(pictures(70)), 70)  # more than one batch


def test_nothing_gives_nothing(model: TrainedModel) -> None:
    assert model.encode_texts([]).shape == (0, SPEC.embed_dim)
    assert model.encode_pixels(np.zeros((0, 32, 32, 3), np.uint8)).shape == (0, SPEC.embed_dim)


def test_a_picture_means_the_same_alone_and_in_company(model: TrainedModel) -> None:
    together = model.encode_pixels(pictures(5))
    alone = np.concatenate([model.encode_pixels(one[None]) for one in pictures(5)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("nothing", ["", "   ", "\u2800", "\u200b", "\x00\x07", "\u202e"])
def test_an_item_whose_title_shows_nothing_is_its_picture(model: TrainedModel, nothing: str) -> None:
    hybrid = TrainedModel(model.system, replace(model.spec, item_embedding="hybrid"), model.card, model_id="")
    found = hybrid.encode_items(pictures(2), [nothing, "red disc"])
    seen = hybrid.encode_pixels(pictures(2))
    np.testing.assert_array_equal(found[0], seen[0])
    assert not np.allclose(found[1], seen[1], atol=1e-3)
    assert_unit(found, 2)


def test_the_title_of_an_item_is_read_as_a_caption_would_be(model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A title and the same caption must have one embedding, also where a tokenizer does not clean texts itself."""
    hybrid, read = TrainedModel(model.system, replace(model.spec, item_embedding="hybrid"), model.card, model_id=""), []
    encode = hybrid.encode_texts
    monkeypatch.setattr(hybrid, "encode_texts", lambda texts: (read.extend(texts), encode(texts))[1])
    raw = "  red\u202e\x00disc\ufeff "
    hybrid.encode_items(pictures(1), [raw])
    assert list(encoded_texts(hybrid, [raw])) == [raw]
    assert read == ["red disc"] * 2


def test_the_quick_network_agrees_with_the_trained_one(model: TrainedModel) -> None:
    from crossmodal.images.transforms import to_model_input

    with torch.inference_mode():
        slow = model.system.encode_image(to_model_input(pictures())).numpy()
    np.testing.assert_allclose(model.encode_pixels(pictures()), slow, atol=1e-5 if model.precision == "float32" else 5e-2)


def test_the_same_after_reading_it_again(model: TrainedModel, saved: Path) -> None:
    again = load_model(saved)
    assert again.spec == model.spec
    assert again.card == model.card
    assert again.model_id == model.model_id
    assert not any(value.requires_grad for value in again.system.parameters())
    assert not again.system.training
    assert np.array_equal(again.encode_texts(TEXTS), model.encode_texts(TEXTS))
    assert again.system.state_dict().keys() == model.system.state_dict().keys()
    assert all(torch.equal(value, model.system.state_dict()[name]) for name, value in again.system.state_dict().items())


def test_the_same_to_the_bit_in_other_processes(model: TrainedModel, saved: Path, tmp_path: Path) -> None:
    """Twenty texts, processes of different hash seeds and numbers of threads: what was stored yesterday is found today."""
    assert len(TEXTS) == 20
    (tmp_path / "texts").write_text("\n".join(TEXTS), encoding="utf-8")
    np.save(tmp_path / "pixels.npy", pictures())
    answers = []
    for seed, threads in (("0", "1"), ("4242", "2")):
        arguments = [sys.executable, "-c", ENCODE, str(saved), str(tmp_path / "texts"), str(tmp_path / "pixels.npy")]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads}
        said = subprocess.run(arguments, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120)
        assert said.returncode == 0, said.stderr
        answers.append(said.stdout.split())
    model_id, texts, _ = answers[0]
    assert answers[0][:2] == answers[1][:2]
    assert model_id == model.model_id
    assert bytes.fromhex(texts) == model.encode_texts(TEXTS).tobytes()
    pixels = [np.frombuffer(bytes.fromhex(answer[2]), np.float32) for answer in answers]
    np.testing.assert_allclose(pixels[0], pixels[1], atol=5e-2)  # a precision is chosen by trial in each process


def test_the_id_names_exactly_these_weights(model: TrainedModel, saved: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(saved)
    assert model.model_id == checkpoint.model_id
    state = dict(checkpoint.state)
    state["temperature"] = state["temperature"] + 0.001
    assert save_checkpoint(tmp_path / "other.pth", state, checkpoint.details).model_id != model.model_id


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
    "another tokenizer": (lambda details, state: details["spec"].update(tokenizer_version="md5-1"), "of tokenizer 'md5-1'"),
    "huge vocabulary": (lambda details, state: details["spec"].update(vocab_size=2**30), "impossible sizes"),
    "no pixels": (lambda details, state: details["spec"].update(image_size_px=0), "impossible sizes"),
    "negative dimension": (lambda details, state: details["spec"].update(embed_dim=-32), "impossible sizes"),
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
        "no unit vectors",
    ),
    "numbers that overflow": (
        lambda details, state: state.update({"image_encoder.head.layers.0.weight": torch.full((32, 512), 3e38)}),
        "no unit vectors",
    ),
    "a negative variance": (
        lambda details, state: state.update({"image_encoder.backbone.network.bn1.running_var": torch.full((64,), -1.0)}),
        "no unit vectors",
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


def test_saving_over_a_model_keeps_it_when_the_new_one_is_broken(saved: Path) -> None:
    before = saved.read_bytes()
    broken = load_model(saved)
    broken.system.temperature.fill_(float("nan"))
    with pytest.raises(CheckpointError, match="temperature"):
        broken.save(saved)
    assert saved.read_bytes() == before


def test_a_model_tells_what_its_heads_are_given() -> None:
    model = shared_model()
    weights = model.system.state_dict()
    assert model.image_input_dim == weights["image_encoder.head.layers.0.weight"].shape[1]
    assert model.text_input_dim == weights["text_encoder.head.layers.0.weight"].shape[1]
