"""Both towers: shapes, length 1, and nothing to encode."""

import pytest
import torch

from crossmodal.backbones.resnet import FEATURES, Weights, resnet18
from encoders import ImageEncoder, TextEncoder

DIM = 24


@pytest.fixture(scope="module")
def images() -> ImageEncoder:
    torch.manual_seed(0)
    return ImageEncoder(DIM).eval()


@pytest.fixture(scope="module")
def texts() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(DIM, vocab_size=512, max_tokens=8, width=16).eval()


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (5, 3, 32, 32), (2, 3, 48, 32)])
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
    torch.nn.init.zeros_(silent.projection.weight)
    torch.nn.init.zeros_(silent.projection.bias)
    with torch.inference_mode():
        assert silent.project(torch.rand(2, FEATURES)).tolist() == [[0.0] * DIM] * 2


def test_the_backbone_starts_from_the_weights_it_is_given() -> None:
    torch.manual_seed(5)
    state = resnet18().state_dict()
    torch.manual_seed(6)
    encoder = ImageEncoder(DIM, weights=Weights("ImageNet weights", "Given.", state))
    assert all(torch.equal(value, state[name]) for name, value in encoder.resnet.state_dict().items())
    torch.manual_seed(6)
    assert not torch.equal(ImageEncoder(DIM, weights=Weights("random weights", "None.")).resnet.conv1.weight, state["conv1.weight"])


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
    assert meant @ slip > meant @ other + 0.02
