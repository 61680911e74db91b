"""Settings of networks: what a person or a file may change, and what is refused with a sentence."""

from typing import Any

import pytest

from crossmodal.backbones.base import Preprocessing
from crossmodal.backbones.config import SCALINGS, only, picture_settings, preprocessing, settle
from crossmodal.backbones.registry import image_backbone, text_backbone
from crossmodal.errors import QueryError

DEFAULTS = {**picture_settings(224, "imagenet"), "hidden_size": 16, "num_attention_heads": 4, "dropout": 0.1, "patch_size": 16}


def test_what_is_given_takes_the_place_of_the_default() -> None:
    assert settle("it", DEFAULTS, None) == DEFAULTS
    assert settle("it", DEFAULTS, {"hidden_size": 32, "dropout": 0}) == {**DEFAULTS, "hidden_size": 32, "dropout": 0}
    assert DEFAULTS["hidden_size"] == 16


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_scaling_has_a_name(scaling: str) -> None:
    settled = settle("it", DEFAULTS, {"scaling": scaling, "image_size_px": 64})
    assert preprocessing(settled) == Preprocessing(64, *SCALINGS[scaling])
    assert "scaling" not in settled


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"colour": 3}, "no setting 'colour'"),
        ({"scaling": "odd"}, "no scaling 'odd'"),
        ({"scaling": ["imagenet"]}, "no scaling"),
        ({"hidden_size": 10**9}, "8 to 8192 as hidden_size"),
        ({"hidden_size": "16"}, "a int as hidden_size"),
        ({"hidden_size": True}, "a int as hidden_size"),
        ({"hidden_size": None}, "a int as hidden_size"),
        ({"dropout": float("nan")}, "as dropout"),
        ({"mean": [0.5, 0.5]}, "three numbers as mean"),
        ({"std": [0.5, 0.0, 0.5]}, "three numbers as std"),
        ({"mean": [0.5, float("nan"), 0.5]}, "three numbers as mean"),
        ({"mean": [0.5, "x", 0.5]}, "three numbers as mean"),
        ({"hidden_size": 18}, "num_attention_heads divides"),
        ({"image_size_px": 65}, "patch_size divides"),
    ],
)
def test_what_makes_no_network_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(QueryError, match=said) as caught:
        settle("it", DEFAULTS, given)
    assert caught.value.code == "bad_request"
    assert str(caught.value).startswith("The backbone it ")


def test_some_things_come_from_the_weights() -> None:
    assert only("it", {"max_tokens": 3}, "max_tokens") == {"max_tokens": 3}
    assert only("it", None, "max_tokens") == {}
    with pytest.raises(QueryError, match="'hidden_size' from its weights; max_tokens can be changed"):
        only("it", {"hidden_size": 3}, "max_tokens")


@pytest.mark.parametrize(
    ("kind", "name", "given"),
    [
        ("image", "clip", {"kind": "blip"}),
        ("image", "google/vit-base-patch16-224", {"hidden_act": "__import__"}),
        ("text", "gru", {"tokenizer": "another"}),
        ("text", "minilm-l6", {"num_hidden_layers": 0}),
    ],
)
def test_families_refuse_too(kind: str, name: str, given: dict[str, Any]) -> None:
    with pytest.raises(QueryError, match=f"The backbone {name} "):
        (image_backbone(name) if kind == "image" else text_backbone(name))(given)
