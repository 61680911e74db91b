"""Backbones by name."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from crossmodal.backbones.registry import IMAGE_BACKBONES, TEXT_BACKBONES, Family, image_backbone, text_backbone
from crossmodal.backbones.weights import WeightsSource
from crossmodal.errors import QueryError
from crossmodal.registry import lookup
from tests.crossmodal.backbones.tiny_backbones import TEXTS

PROJECT = Path(__file__).resolve().parents[3]


def test_the_documented_names() -> None:
    documented = {"resnet18", "mobilenet_v2", "efficientnet_b0", "vit_b_16", "google/vit-base-patch16-224", "clip"}
    assert documented <= set(IMAGE_BACKBONES)
    assert {"gru", "minilm-l6", "minilm-l12", "clip"} <= set(TEXT_BACKBONES)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(QueryError, match="no image backbone called 'resnet50'") as caught:
        image_backbone("resnet50")
    assert caught.value.remedy.startswith("Known are: resnet18, ")
    with pytest.raises(QueryError, match="no text backbone called 'minilm'"):
        text_backbone("minilm")


@pytest.mark.parametrize(
    "name", ["clip:", "clip:one", "clip:../..", "clip:a/../b", "clip:a/b/c", "clip:a b/c", "clip:/etc/x", "clip:a/.."]
)
def test_a_checkpoint_is_named_by_organisation_and_name(name: str) -> None:
    for family in (image_backbone, text_backbone):
        with pytest.raises(QueryError, match="clip:ORGANISATION/NAME"):
            family(name)


@pytest.mark.parametrize(
    ("family", "name", "features", "blocks", "millions"),
    [
        (IMAGE_BACKBONES, "resnet18", 512, 4, 11.2),
        (IMAGE_BACKBONES, "mobilenet_v2", 1280, 18, 2.2),
        (IMAGE_BACKBONES, "efficientnet_b0", 1280, 8, 4.0),
        (IMAGE_BACKBONES, "vit_b_16", 768, 12, 85.8),
        (TEXT_BACKBONES, "gru", 256, 1, 2.3),
        # Loading their library takes some seconds.
        pytest.param(IMAGE_BACKBONES, "google/vit-base-patch16-224", 768, 12, 85.8, marks=pytest.mark.slow),
        pytest.param(IMAGE_BACKBONES, "clip", 512, 0, 87.8, marks=pytest.mark.slow),
        pytest.param(TEXT_BACKBONES, "minilm-l6", 384, 6, 22.6, marks=pytest.mark.slow),
        pytest.param(TEXT_BACKBONES, "minilm-l12", 384, 12, 33.2, marks=pytest.mark.slow),
        pytest.param(TEXT_BACKBONES, "clip", 512, 0, 63.4, marks=pytest.mark.slow),
    ],
)
def test_at_its_true_size(family: dict[str, Family], name: str, features: int, blocks: int, millions: float) -> None:
    """Shapes only, on the meta device; parameters as published, classifiers left out."""
    with torch.device("meta"):
        backbone = family[name]()
    assert (backbone.features, backbone.blocks) == (features, blocks)
    assert sum(value.numel() for value in backbone.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.slow
def test_knowing_them_loads_none_of_their_libraries() -> None:
    script = """
        import sys
        import crossmodal.backbones.registry
        print(sorted({"transformers", "torchvision", "huggingface_hub", "tokenizers", "safetensors"} & set(sys.modules)))
    """
    assert run(script) == "[]"


def test_the_gru_has_no_weights_to_look_for() -> None:
    backbone = text_backbone("gru").load(WeightsSource(download=True), TEXTS["gru"])
    assert backbone.features == 16
    assert not backbone.origin.pretrained


def run(script: str) -> str:
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)], cwd=PROJECT, capture_output=True, text=True, timeout=120
    )
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    return said.stdout.strip()


SIZES = {"small": 0, "medium": 1, "large": 2}


def test_a_known_name_is_found() -> None:
    assert lookup(SIZES, "medium", kind="size") == 1


def test_an_unknown_name_is_answered_with_the_known_ones_nearest_first() -> None:
    with pytest.raises(QueryError) as caught:
        lookup(SIZES, "Larger", kind="size")
    assert caught.value.code == "bad_request"
    assert str(caught.value) == "There is no size called 'Larger'."
    assert caught.value.remedy.startswith("Known are: large, ")
    assert set(SIZES) <= set(caught.value.remedy.rstrip(".").replace(",", "").split())


@pytest.mark.parametrize("name", ["", "x" * 10_000, "a\nb"])
def test_odd_names_make_one_short_line(name: str) -> None:
    with pytest.raises(QueryError) as caught:
        lookup({}, name, kind="size")
    assert len(str(caught.value)) < 150
    assert "\n" not in str(caught.value)
    assert "none yet" in caught.value.remedy
