"""The built-in model: its constants, its formula against a plain copy, and what it finds."""

import csv
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crossmodal.backbones import everyday
from crossmodal.backbones.everyday import (
    CLASS_WORDS,
    CONSTANTS,
    LITE0,
    EverydayImage,
    EverydayText,
    is_installed,
    load_everyday_image,
    load_everyday_text,
    published_file,
    stem_of,
    unit,
    word_fits,
)
from crossmodal.backbones.weights import WeightsSource, read_state
from crossmodal.errors import WeightsError
from crossmodal.images.decode import DecodeLimits, decode_picture
from crossmodal.images.transforms import to_model_input
from tests.crossmodal.backbones.tiny_backbones import tiny_image, tiny_text
from tests.shared_data import SHARED, needs_shared

with_weights = pytest.mark.skipif(not is_installed(), reason="needs the packages of requirements-weights.txt")


@pytest.fixture(scope="module")
def image() -> EverydayImage:
    return load_everyday_image(WeightsSource()).eval()


@pytest.fixture(scope="module")
def text() -> EverydayText:
    return load_everyday_text(WeightsSource()).eval()


def test_the_constants_fit_each_other() -> None:
    constants = read_state(CONSTANTS)
    known = CLASS_WORDS.read_text("utf-8").split()
    assert len(set(known)) == len(known) == len(constants["word_frequency"])  # type: ignore[arg-type]
    for name in ("word_factors", "visual_map"):
        columns = constants[name].float()  # type: ignore[attr-defined]
        torch.testing.assert_close(columns.T @ columns, torch.eye(columns.shape[1]), atol=5e-3, rtol=0)
    embeddings = constants["class_embeddings"].float()  # type: ignore[attr-defined]
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(1000), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("mugs", "mug"),
        ("dresses", "dress"),
        ("ponies", "pon"),
        ("pony", "pon"),
        ("riding", "rid"),
        ("bus", "bus"),
        ("mögen", "mögen"),
    ],
)
def test_endings_are_cut_alike(word: str, stem: str) -> None:
    assert stem_of(word) == stem


def test_a_rare_word_counts_more_and_no_word_without_bound() -> None:
    fits = word_fits(torch.tensor([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]), torch.tensor([0.001, 0.2]))
    assert not fits[0].any()
    assert (fits[1:, 0] > 2 * fits[1:, 1]).all()
    assert (fits[2] < 1.1 * -(torch.tensor([0.001, 0.2]) + 0.01).log()).all()


@torch.inference_mode()
def test_the_cosine_is_the_formula() -> None:
    """A text and a picture: the cosine of their places among sentences, and the words that fit, as the module's description says."""
    image, text = tiny_image("everyday").eval(), tiny_text("everyday").eval()
    assert isinstance(image, EverydayImage)
    assert isinstance(text, EverydayText)
    image.word_factors *= 4.0  # long enough to matter, short enough not to be cut
    text.word_factors.copy_(image.word_factors[: len(text.known)])
    pictures = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    queries = ["a red mug beside an umbrella", "red", "a word of no class"]
    cosines = text(queries).values[:, 0] @ image(pictures).values[:, 0].T
    expected = torch.stack([torch.stack([_score(image, text, query, picture) for picture in pictures]) for query in queries])
    assert expected.std(dim=1).min() > 1e-4
    torch.testing.assert_close(cosines / cosines.abs().max(), expected / expected.abs().max(), atol=2e-4, rtol=0)


def _score(image: EverydayImage, text: EverydayText, query: str, picture: Tensor) -> Tensor:
    last = image.network(picture[None]).last[0].flatten(1).T
    chances = torch.stack([image.network.classifier(place).softmax(0) for place in last])
    mixed = torch.stack([unit(each @ image.class_embeddings) for each in chances]).mean(0)
    linear = unit((last.mean(0) - image.pooled_mean) @ image.class_map)
    there = unit(unit(mixed - image.mix_mean) + 0.5 * unit(linear - image.linear_mean))
    sentence = text._sentences([query])[0]
    short = len(query.split()) <= 3
    asked = unit(
        unit(sentence + text._sentences([f"a photo of a {query}"])[0]) - text.short_mean if short else sentence - text.sentence_mean
    )
    known = [place for word, place in text.known.items() if word in {stem_of(part) for part in query.split()}]
    fits = word_fits(chances.mean(0) @ image.word_weights, image.word_frequency) - image.word_mean
    said = (fits @ image.word_factors) @ image.word_factors[known].sum(0) / max(1, len(known)) ** 0.5
    return asked @ there + (0.06 if short else 0.03) * said


@with_weights
def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / LITE0.package
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    copy = package / LITE0.file
    shutil.copyfile(published_file(LITE0), copy)
    monkeypatch.syspath_prepend(tmp_path)
    assert published_file(LITE0) == copy
    with copy.open("r+b") as file:
        file.seek(-1000, 2)
        file.write(b"?")
    with pytest.raises(WeightsError, match="not the published file"):
        published_file(LITE0)
    copy.unlink()
    with pytest.raises(WeightsError, match="is not installed"):
        published_file(LITE0)


def test_it_is_not_installed_without_one_of_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(everyday, "MINILM", everyday.Published("no_such_package", "model.safetensors", ""))
    assert not is_installed()
    with pytest.raises(WeightsError, match=r"no_such_package .* is not installed"):
        load_everyday_text(WeightsSource())


@pytest.mark.slow
@needs_shared("data/flickr8k")
@with_weights
@torch.inference_mode()
def test_words_find_photos(image: EverydayImage, text: EverydayText) -> None:
    """150 photos of Flickr8k's development side: far above chance, 6.7 % among the first ten."""
    folder = SHARED / "data/flickr8k"
    with (folder / "captions.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "dev"]
    captions = {row["image"]: row["caption"] for row in rows}
    names = list(captions)[:150]
    pixels = [
        decode_picture((folder / "images" / name).read_bytes(), limits=DecodeLimits(), square_px=224).pixels for name in names
    ]
    read = image.preprocessing
    seen = torch.cat([image(to_model_input(each[None], mean=read.mean, std=read.std)).values[:, 0] for each in pixels])
    scores = text([captions[name] for name in names]).values[:, 0] @ seen.T
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(150))
    ranks = (scores > scores.diag()[:, None]).sum(1)
    assert float((ranks < 10).float().mean()) > 0.6
