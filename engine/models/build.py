"""Builds an untrained system from a preset: backbones, their weights, and the spec that is saved with the model."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from crossmodal.backbones import everyday
from crossmodal.backbones.base import Backbone, ImageBackbone
from crossmodal.backbones.registry import image_backbone, text_backbone
from crossmodal.backbones.weights import WeightsSource
from crossmodal.errors import QueryError
from crossmodal.progress import OnProgress, ignore_progress
from encoders import ImageEncoder, TextEncoder, TowerSpec
from engine.models.spec import ModelCard, ModelSpec
from engine.models.trained import TrainedModel
from system import LostFoundSystem
from training.presets import Preset, preset_named


@dataclass(frozen=True, slots=True)
class WeightsRequest:
    """Sources of the initial weights.

    Attributes:
        folder: the weights folder.
        image, text: a file or folder named by the user for one side.
        random: use random weights.
        download: whether weights that are not on disk are downloaded.
        timeout_s: timeout of a server in seconds.
        on_progress, stop: of a download.
        image_config, text_config: backbone settings that replace the preset's, for instance `{"scaling": "symmetric"}`.
    """

    folder: Path | None = None
    image: Path | None = None
    text: Path | None = None
    random: bool = False
    download: bool = True
    timeout_s: float = 5.0
    on_progress: OnProgress = ignore_progress
    stop: threading.Event | None = None
    image_config: Mapping[str, Any] | None = None
    text_config: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Assembled:
    """An untrained system with pretrained or random backbones.

    Attributes:
        pretrained: whether the image backbone has pretrained weights.
        notes: origin of the weights of the image and the text side.
    """

    system: LostFoundSystem
    spec: ModelSpec
    pretrained: bool
    notes: tuple[str, str]


def assemble(
    preset: Preset, request: WeightsRequest, *, seed: int = 0, embed_dim: int | None = None, image_px: int | None = None
) -> Assembled:
    """Build both encoders of a preset with their initial weights.

    Args:
        embed_dim, image_px: override those of the preset.

    Raises:
        WeightsError: weights are missing; the remedy says which files to put where. QueryError: a setting is invalid, or the preset has
            no head that could give another length.
    """
    torch.manual_seed(seed)
    image = _backbone(image_backbone(preset.image.backbone), preset.image, request, request.image, request.image_config)
    text = _backbone(text_backbone(preset.text.backbone), preset.text, request, request.text, request.text_config)
    if embed_dim is not None and not preset.image.head:
        remedy = "Leave --dim out, or train another preset."
        raise QueryError("bad_request", f"The embeddings of {preset.name} have {image.features} numbers, always.", remedy=remedy)
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
    if not preset.image.head and (scale := spec.text.config.get("logit_scale")) is not None:
        system.temperature.data.fill_(scale)  # that of the checkpoint
    return Assembled(system, spec, image.origin.pretrained, (image.origin.note, text.origin.note))


def built_in_model() -> TrainedModel:
    """The built-in model `everyday`, not saved yet.

    It is the same file, and thus has the same id, on every computer.

    Raises:
        WeightsError: a package with its weights is not installed, damaged or of another version; the remedy says how to install it.
    """
    made = assemble(preset_named(everyday.NAME), WeightsRequest(download=False))
    return as_published(made, note=" ".join(made.notes), catalogue="ImageNet's classes and sentences")


def as_published(made: Assembled, *, note: str, catalogue: str) -> TrainedModel:
    """A model of published weights that is used as it is, not saved yet. The same weights give the same id on every computer.

    Args:
        note: what the weights are, for display.
        catalogue: what its publisher trained it on; empty if that is not known.
    """
    card = ModelCard(
        weights="pretrained weights",
        weights_note=note,
        catalogue=catalogue,
        trained_on=0,
        trained_at=0.0,  # not known; and the same files must give the same model
        training_seconds=0.0,
        held_out=None,
        history=(),
    )
    return TrainedModel(made.system, made.spec, card, model_id="")


def _side(image: ImageBackbone, preset: Preset) -> int:
    """Side of the pictures in pixels; smaller for a network with random weights, so that its training is affordable."""
    if preset.untrained_image_px is not None and not image.origin.pretrained:
        return preset.untrained_image_px
    return image.preprocessing.image_size_px


def _backbone(family: Any, spec: TowerSpec, request: WeightsRequest, named: Path | None, changes: Mapping[str, Any] | None) -> Any:
    config = {**spec.config, **(changes or {})}
    if request.random:
        built: Backbone = family.build(config)
        return built
    source = WeightsSource(
        folder=request.folder,
        file=named,
        download=request.download,
        timeout_s=request.timeout_s,
        on_progress=request.on_progress,
        stop=request.stop,
    )
    return family.load(source, config)
