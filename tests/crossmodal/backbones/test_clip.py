"""SigLIP2 and CLIP give what the library's own processor and network give, from the files that their publishers save."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from crossmodal.backbones.clip import CLIPImage, CLIPText, load_clip_image, load_clip_text
from crossmodal.backbones.hugging_face import import_transformers
from crossmodal.backbones.weights import WeightsSource
from crossmodal.errors import WeightsError
from crossmodal.images.decode import DecodeLimits, decode_picture
from crossmodal.images.transforms import to_model_input
from tests.crossmodal.backbones.hub_models import save_clip, save_siglip2

pytestmark = pytest.mark.slow  # loading transformers takes some seconds

TEXTS = ["a red mug", "two cups, and a (small) dog", "red", "", "straße 7", "x" * 300]

SIGLIP2: dict[str, Callable[[Path], Any]] = {
    "siglip2": save_siglip2,
    "siglip2 in several files": lambda folder: save_siglip2(folder, shards="40KB"),
}
CLIP: dict[str, Callable[[Path], Any]] = {
    "clip": save_clip,
    "clip, .bin": lambda folder: save_clip(folder, layout="bin"),
    "clip, several .bin": lambda folder: save_clip(folder, layout="sharded bin"),
}


def sides(folder: Path) -> tuple[CLIPImage, CLIPText]:
    source, name = WeightsSource(folder=folder.parent), f"clip:somebody/{folder.name}"
    return load_clip_image(name, source).eval(), load_clip_text(name, source).eval()


def picture(width: int, height: int) -> Image.Image:
    """A picture with different content in every part, so that a crop is no squashed whole."""
    x, y = np.meshgrid(np.linspace(0, 9, width), np.linspace(0, 5, height))
    layers = [np.sin(x * y), np.cos(x + y), np.sin(x * 3 - y)]
    return Image.fromarray(np.stack([(layer * 120 + 128).astype(np.uint8) for layer in layers], axis=2))


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def seen_by(backbone: CLIPImage, image: Image.Image) -> torch.Tensor:
    """The feature of a picture on the product's own way, from the bytes of its file."""
    read = backbone.preprocessing
    decoded = decode_picture(png(image), limits=DecodeLimits(), square_px=read.image_size_px, fit=read.fit)
    with torch.inference_mode():
        return backbone(to_model_input(decoded.pixels[None], mean=read.mean, std=read.std)).values[0, 0]


def cosine(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(ours, theirs, dim=-1).min())


@pytest.mark.parametrize("kind", SIGLIP2 | CLIP)
def test_texts_are_those_of_the_librarys_processor(tmp_path: Path, kind: str) -> None:
    model = (SIGLIP2 | CLIP)[kind](tmp_path / "tiny")
    library = import_transformers()
    tokenizer = library.AutoTokenizer.from_pretrained(tmp_path / "tiny", local_files_only=True)
    fixed = {"padding": "max_length", "max_length": 64} if kind in SIGLIP2 else {"padding": True, "max_length": 77}
    # Lower case is what SigLIP2 was trained on; the class that the library takes for its tokenizer does not make it.
    read = tokenizer([text.lower() for text in TEXTS], truncation=True, return_tensors="pt", **fixed)
    given = {"input_ids": read["input_ids"]} | ({} if kind in SIGLIP2 else {"attention_mask": read["attention_mask"]})
    with torch.inference_mode():
        ours, theirs = sides(tmp_path / "tiny")[1](TEXTS).values[:, 0], model.get_text_features(**given).pooler_output
    assert cosine(ours, theirs) >= 0.9999
    assert float((ours[0] - ours[1]).norm()) > 0.1  # different texts differ, so the figure above says something


@pytest.mark.parametrize("size", [(64, 64), (200, 120), (90, 333), (65, 64)])
@pytest.mark.parametrize("kind", ["siglip2", "clip"])
def test_pictures_are_those_of_the_librarys_processor(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    model = (SIGLIP2 | CLIP)[kind](tmp_path / "tiny")
    library, image = import_transformers(), picture(*size)
    processor = library.AutoImageProcessor.from_pretrained(tmp_path / "tiny", local_files_only=True)
    with torch.inference_mode():
        theirs = model.get_image_features(**processor(images=[image], return_tensors="pt")).pooler_output[0]
    assert cosine(seen_by(sides(tmp_path / "tiny")[0], image), theirs) >= 0.9999


def test_siglip2_is_padded_with_its_own_token_and_reads_lower_case(tmp_path: Path) -> None:
    save_siglip2(tmp_path / "tiny")
    text = sides(tmp_path / "tiny")[1]
    ids, _ = text.tokens(["Red mug"])
    assert ids.shape == (1, 64)
    assert ids[0, -1] == 0
    assert torch.equal(ids, text.tokens(["red mug"])[0])


def test_the_whole_picture_is_squashed_for_siglip2_and_cropped_for_clip(tmp_path: Path) -> None:
    save_siglip2(tmp_path / "siglip")
    save_clip(tmp_path / "clip")
    assert [sides(tmp_path / name)[0].preprocessing.fit for name in ("siglip", "clip")] == ["squash", "bicubic crop"]


def test_scale_and_bias_of_the_cosine_are_kept(tmp_path: Path) -> None:
    model = save_siglip2(tmp_path / "tiny")
    config = sides(tmp_path / "tiny")[1].config()
    assert config["logit_scale"] == pytest.approx(model.logit_scale.item())
    assert config["logit_bias"] == pytest.approx(model.logit_bias.item())


@pytest.mark.parametrize("kind", SIGLIP2 | CLIP)
def test_each_side_has_its_own_part_only(tmp_path: Path, kind: str) -> None:
    (SIGLIP2 | CLIP)[kind](tmp_path / "tiny")
    for side, other in zip(sides(tmp_path / "tiny"), ("text", "vision"), strict=True):
        assert not any(other in name for name, _ in side.named_parameters())
        assert not any(tensor.is_meta for tensor in side.state_dict().values())


def _index_elsewhere(folder: Path) -> None:
    index = folder / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": dict.fromkeys(json.loads(index.read_text())["weight_map"], "../x.bin")}))


def _not_finite(folder: Path) -> None:
    file = next(folder.glob("*-00001-of-*.bin"))
    state = torch.load(file, weights_only=True)
    name = next(name for name, value in state.items() if value.ndim == 2 and name.startswith("text_model"))
    state[name][3, 3] = float("nan")
    torch.save(state, file)


def _other_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["intermediate_size"] = 128
    (folder / "config.json").write_text(json.dumps(config))


BROKEN: dict[str, Callable[[Path], object]] = {
    "not finite": _not_finite,
    "of another shape": _other_shape,
    "half a file": lambda folder: next(folder.glob("*.bin")).write_bytes(b"PK" + bytes(900)),
    "no weights": lambda folder: (folder / "pytorch_model.bin.index.json").unlink(),
    "an index of files elsewhere": _index_elsewhere,
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_folder_is_refused_in_a_sentence(tmp_path: Path, broken: Callable[[Path], object]) -> None:
    save_clip(tmp_path / "tiny", layout="sharded bin")
    broken(tmp_path / "tiny")
    with pytest.raises(WeightsError, match="tiny"):
        sides(tmp_path / "tiny")
