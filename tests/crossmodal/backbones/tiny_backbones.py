"""Every backbone in a size for tests, with random weights; and what a checkpoint's folder looks like."""

from copy import deepcopy
from functools import cache

import torch

from crossmodal.backbones.base import Config, ImageBackbone, TextBackbone
from crossmodal.backbones.registry import IMAGE_BACKBONES, TEXT_BACKBONES, image_backbone, text_backbone

LAYERS: Config = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SIDE: Config = {"image_size_px": 64}

IMAGES: dict[str, Config] = {
    **dict.fromkeys(IMAGE_BACKBONES, SIDE),  # one that is not listed below is tested at its true size
    "mobilenet_v2": {**SIDE, "width_multiplier": 0.25},
    "efficientnet_b0": {**SIDE, "width_multiplier": 0.25, "depth_multiplier": 0.3},
    "vit_b_16": {**SIDE, **LAYERS},
    "google/vit-base-patch16-224": {**SIDE, **LAYERS},
    "everyday": {**SIDE, "semantic_dim": 16},
    "clip": {**SIDE, **LAYERS, "projection_dim": 8},
    "clip:nobody/siglip": {**SIDE, **LAYERS, "kind": "siglip", "hidden_act": "gelu_pytorch_tanh"},
}
TEXTS: dict[str, Config] = {
    **{name: {} for name in TEXT_BACKBONES},
    "gru": {"vocab_size": 64, "width": 8},
    "minilm-l6": {**LAYERS, "vocab_size": 100},
    "minilm-l12": {**LAYERS, "vocab_size": 100},
    "everyday": {**LAYERS, "vocab_size": 100, "class_words": "red mug umbrella"},
    "clip": {**LAYERS, "vocab_size": 100, "projection_dim": 8},
    "clip:nobody/siglip": {
        **LAYERS,
        "vocab_size": 100,
        "kind": "siglip",
        "projection_dim": 16,
        "max_position_embeddings": 16,
        "hidden_act": "gelu_pytorch_tanh",
    },
}
QUERIES = ["a red mug", "mug", "", "a very long description of a large blue umbrella with white dots"]


def tiny_image(name: str) -> ImageBackbone:
    """One with random weights, in training mode; the same numbers every time."""
    return deepcopy(_image(name))


def tiny_text(name: str) -> TextBackbone:
    """The same for texts."""
    return deepcopy(_text(name))


@cache
def pictures() -> torch.Tensor:
    """(3, 3, 64, 64) float32, made up."""
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@cache
def _image(name: str) -> ImageBackbone:
    """Random weights, and batch norms that have seen something: fresh ones let a deep network's answer shrink to nothing."""
    torch.manual_seed(0)
    backbone = image_backbone(name)(IMAGES[name])
    momenta = {module: module.momentum for module in backbone.modules() if isinstance(module, torch.nn.BatchNorm2d)}
    for norm in momenta:
        norm.momentum = None  # the plain mean of what it sees
    with torch.no_grad():
        backbone(torch.rand(16, 3, 64, 64) if momenta else pictures())
    for norm, momentum in momenta.items():
        norm.momentum = momentum
    return backbone


@cache
def _text(name: str) -> TextBackbone:
    torch.manual_seed(0)
    return text_backbone(name)(TEXTS[name])
