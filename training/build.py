"""From a preset's name to a system with its weights: what is found where, and what is said when it is not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from crossmodal.backbones.base import Backbone, ImageBackbone
from crossmodal.backbones.registry import image_backbone, text_backbone
from crossmodal.backbones.weights import WeightsSource
from encoders import ImageEncoder, TextEncoder, TowerSpec
from engine.models.spec import ModelSpec
from system import LostFoundSystem
from training.presets import Preset


@dataclass(frozen=True, slots=True)
class WeightsWish:
    """What a person says about weights.

    Attributes:
        folder: the weights folder.
        image, text: a file or folder for one side.
        random: take random weights and look for none.
        download: ask servers for what is not here.
        image_config, text_config: settings of the backbones to change, for instance `{"scaling": "symmetric"}`.
    """

    folder: Path | None = None
    image: Path | None = None
    text: Path | None = None
    random: bool = False
    download: bool = True
    timeout_s: float = 5.0
    image_config: Mapping[str, Any] | None = None
    text_config: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Assembled:
    """An untrained system on trained or random backbones.

    Attributes:
        pretrained: whether the picture backbone came with weights.
        notes: a line for each side: where its weights came from.
    """

    system: LostFoundSystem
    spec: ModelSpec
    pretrained: bool
    notes: tuple[str, str]


def assemble(
    preset: Preset, wish: WeightsWish, *, seed: int = 0, embed_dim: int | None = None, image_px: int | None = None
) -> Assembled:
    """Both towers of a preset with the weights that can be had.

    Args:
        embed_dim, image_px: in place of the preset's.

    Raises:
        WeightsError: weights are missing; says what to put where. QueryError: a setting of a backbone is impossible.
    """
    torch.manual_seed(seed)
    image = _backbone(image_backbone(preset.image.backbone), preset.image, wish, wish.image, wish.image_config)
    text = _backbone(text_backbone(preset.text.backbone), preset.text, wish, wish.text, wish.text_config)
    length = embed_dim or (preset.embed_dim if preset.image.head else image.features)
    spec = ModelSpec(
        embed_dim=length,
        vocab_size=int(text.config().get("vocab_size", 16_384)),
        max_text_tokens=int(text.config().get("max_tokens", 77)),
        image_size_px=image_px or _side(image, preset),
        preset=preset.name,
        image=replace(preset.image, config=image.config()),
        text=replace(preset.text, config=text.config()),
        item_embedding=preset.item_embedding,
    )
    system = LostFoundSystem(
        ImageEncoder(length, spec=spec.image, backbone=image), TextEncoder(length, spec=spec.text, backbone=text)
    )
    return Assembled(system, spec, image.origin.pretrained, (image.origin.note, text.origin.note))


def _side(image: ImageBackbone, preset: Preset) -> int:
    """The side of the pictures: a network without weights is taught on smaller ones, so that it gets anywhere in its time."""
    if preset.untrained_image_px is not None and not image.origin.pretrained:
        return preset.untrained_image_px
    return image.preprocessing.image_size_px


def _backbone(family: Any, spec: TowerSpec, wish: WeightsWish, named: Path | None, changes: Mapping[str, Any] | None) -> Any:
    config = {**spec.config, **(changes or {})}
    if wish.random:
        built: Backbone = family.build(config)
        return built
    source = WeightsSource(folder=wish.folder, file=named, download=wish.download, timeout_s=wish.timeout_s)
    return family.load(source, config)
