"""Both towers: shapes, length 1, and nothing to encode."""

import pytest
import torch

from crossmodal.backbones.resnet import FEATURES, Weights, resnet18
from encoders import ImageEncoder, TextEncoder, TowerSpec

DIM = 24


@pytest.fixture(scope="module")
def images() -> ImageEncoder:
    torch.manual_seed(0)
    return ImageEncoder(DIM).eval()


@pytest.fixture(scope="module")
def texts() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(DIM, vocab_size=512, max_tokens=8, spec=TowerSpec("gru", {"width": 16}, pooling="max")).eval()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (5, 3, 32, 32), (2, 3, 48, 48)])
def test_pictures_become_unit_vectors(images: ImageEncoder, shape: tuple[int, ...]) -> None:
    with torch.inference_mode():
        embeddings = images(torch.rand(shape))
    assert embeddings.shape == (shape[0], DIM)
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(shape[0]))


def test_forward_is_features_then_projection(images: ImageEncoder) -> None:
    pixels = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        features = images.features(pixels)
        assert features.shape == (2, FEATURES)
        assert torch.equal(images.project(features), images(pixels))


def test_no_picture_and_no_feature(images: ImageEncoder) -> None:
    with torch.inference_mode():
        assert images(torch.zeros(0, 3, 32, 32)).shape == (0, DIM)
        assert images.project(torch.zeros(0, FEATURES)).shape == (0, DIM)


def test_a_vector_of_nothing_stays_finite(images: ImageEncoder) -> None:
    silent = ImageEncoder(DIM).eval()
    torch.nn.init.zeros_(silent.head.layers[0].weight)
    torch.nn.init.zeros_(silent.head.layers[0].bias)
    with torch.inference_mode():
        assert silent.project(torch.rand(2, FEATURES)).tolist() == [[0.0] * DIM] * 2


@pytest.mark.slow
def test_the_backbone_starts_from_the_weights_it_is_given() -> None:
    torch.manual_seed(5)
    state = resnet18().state_dict()
    torch.manual_seed(6)
    encoder = ImageEncoder(DIM, weights=Weights("ImageNet weights", "Given.", state))
    assert all(torch.equal(value, state[name]) for name, value in encoder.backbone.network.state_dict().items())
    torch.manual_seed(6)
    assert not torch.equal(
        ImageEncoder(DIM, weights=Weights("random weights", "None.")).backbone.network.conv1.weight, state["conv1.weight"]
    )


@pytest.mark.parametrize("found", [["red mug"], ["a", "red mug with dots", ""], ["mug " * 500]])
def test_texts_become_unit_vectors(texts: TextEncoder, found: list[str]) -> None:
    with torch.inference_mode():
        embeddings = texts(found)
    assert embeddings.shape == (len(found), DIM)
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(len(found)))


def test_no_text(texts: TextEncoder) -> None:
    assert texts([]).shape == (0, DIM)


def test_texts_are_encoded_in_float32_even_under_autocast(texts: TextEncoder) -> None:
    with torch.inference_mode():
        plain = texts(["red mug"])
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(texts(["red mug"]), plain)


def test_spellings_of_one_word_are_close(texts: TextEncoder) -> None:
    """Before any training: shared n-grams alone bring a slip nearer than another word."""
    with torch.inference_mode():
        meant, slip, other = texts(["umbrella", "umbrela", "keyboard"])
    assert (meant - slip).norm() < 0.7 * (meant - other).norm()


TINY_TOWERS = {
    "resnet18": ("image", {}),
    "mobilenet_v2": ("image", {"width_multiplier": 0.25}),
    "gru": ("text", {"width": 8, "vocab_size": 256}),
    "minilm-l6": (
        "text",
        {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 256},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY_TOWERS)
@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_a_tower_cut_in_two_answers_the_same(name: str, pooling: str) -> None:
    side, config = TINY_TOWERS[name]
    torch.manual_seed(0)
    spec = TowerSpec(name, config, pooling=pooling, hidden=(12,), batch_norm=True, dropout=0.1)
    tower = (ImageEncoder if side == "image" else TextEncoder)(DIM, spec=spec).eval()
    given = torch.rand(3, 3, 32, 32) if side == "image" else ["a red mug", "mug", "two blue hats on a shelf"]
    with torch.inference_mode():
        whole = tower(given)
        for blocks in (0, 1):
            torch.testing.assert_close(tower.embed(tower.backbone.stem(given, blocks), blocks), whole, rtol=1e-4, atol=1e-5)
    assert whole.shape == (3, DIM)


def test_a_tower_without_a_head_answers_with_its_features() -> None:
    tower = ImageEncoder(FEATURES, spec=TowerSpec("resnet18", head=False)).eval()
    with torch.inference_mode():
        images = torch.rand(2, 3, 32, 32)
        torch.testing.assert_close(tower(images), torch.nn.functional.normalize(tower.features(images), dim=-1))
