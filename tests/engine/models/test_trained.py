"""A model ready for use, saved, and read again in another process."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossmodal.errors import CheckpointError
from crossmodal.training.checkpoints import load_checkpoint, save_checkpoint
from engine.encoding import encoded_texts
from engine.models.loading import load_model
from engine.models.trained import TrainedModel
from tests.tiny import SPEC, THINGS, drawn, shared_resnet

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[3]
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
from engine.models.loading import load_model
model = load_model(Path(sys.argv[1]))
texts = Path(sys.argv[2]).read_text(encoding="utf-8").split("\\n")
pixels = np.load(sys.argv[3])
print(model.model_id, model.encode_texts(texts).tobytes().hex(), model.encode_pixels(pixels).tobytes().hex())
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return shared_resnet().save(tmp_path_factory.mktemp("model") / "model.pth")


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


def test_saving_over_a_model_keeps_it_when_the_new_one_is_broken(saved: Path) -> None:
    before = saved.read_bytes()
    broken = load_model(saved)
    broken.system.temperature.fill_(float("nan"))
    with pytest.raises(CheckpointError, match="temperature"):
        broken.save(saved)
    assert saved.read_bytes() == before


def test_a_model_tells_what_its_heads_are_given() -> None:
    model = shared_resnet()
    weights = model.system.state_dict()
    assert model.image_input_dim == weights["image_encoder.head.layers.0.weight"].shape[1]
    assert model.text_input_dim == weights["text_encoder.head.layers.0.weight"].shape[1]
