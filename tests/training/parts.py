"""Small data and small presets: every part of a run, in seconds."""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from crossmodal.progress import OnProgress, ignore_progress
from engine.models.build import Assembled, WeightsRequest, assemble
from engine.models.train import TrainingReport, train_model
from tests.tiny import COLOURS, THINGS, drawn
from training.data import TEST, TRAIN, VALIDATION, TrainingData
from training.presets import PRESETS
from training.run import RunOutcome, RunSettings, train_run

BERT: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 512,
}
VIT: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "patch_size": 8,
}
SMALL: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "resnet18-gru": ({}, {"vocab_size": 512, "width": 16}),
    "mobilenet-gru": ({"width_multiplier": 0.25}, {"vocab_size": 512, "width": 16}),
    "mobilenet-minilm": ({"width_multiplier": 0.25}, BERT),
    "efficientnet-minilm": ({"width_multiplier": 0.25, "depth_multiplier": 0.3}, BERT),
    "vit-minilm": (VIT, BERT),
    "everyday": ({"semantic_dim": 24}, {**BERT, "class_words": "red mug"}),
    "clip-hybrid": ({**VIT, "projection_dim": 16}, {**BERT, "projection_dim": 16}),
}
"""Preset → settings of the two backbones that make them small."""


def drawn_data(n: int = 64, *, size: int = 32) -> TrainingData:
    """`n` drawn pictures with two captions each: three quarters to learn from, the rest for validation and test."""
    kinds = [(colour, thing) for colour in COLOURS for thing in THINGS]
    pixels = np.stack([drawn(*kinds[i % len(kinds)], i, size=size) for i in range(n)])
    captions = tuple(
        (f"{colour} {thing} number {i}", f"a {thing} in {colour}")
        for i, (colour, thing) in ((i, kinds[i % len(kinds)]) for i in range(n))
    )
    hashes = tuple(hashlib.sha256(picture.tobytes()).hexdigest() for picture in pixels)
    sides = tuple({6: VALIDATION, 7: TEST}.get(i % 8, TRAIN) for i in range(n))
    return TrainingData(pixels, captions, tuple(f"{i}.png" for i in range(n)), hashes, sides, digest=f"drawn {n} {size}")


def small(name: str, *, seed: int = 0) -> Assembled:
    """A preset with random weights and small backbones, for pictures of 32 pixels."""
    image, text = SMALL.get(name, ({}, {}))
    request = WeightsRequest(random=True, image_config={"image_size_px": 32, **image}, text_config=text)
    return assemble(PRESETS[name], request, seed=seed, image_px=32, embed_dim=16 if PRESETS[name].image.head else None)


def small_settings(name: str, folder: Path, *, resume: bool = False, **changes: Any) -> RunSettings:
    """Settings of a run of one epoch of a preset, with changes to its recipe."""
    recipe = replace(PRESETS[name].recipe, **{"epochs": 1, "batch_size": 16, **changes})
    return RunSettings(folder / "run", folder / "cache", "drawn", name, (), recipe, seed=3, resume=resume)


def small_run(
    name: str, folder: Path, data: TrainingData, *, told: OnProgress = ignore_progress, resume: bool = False, **changes: Any
) -> TrainingReport:
    """A run with its evaluation and reports."""
    return train_model(small(name), data, small_settings(name, folder, resume=resume, **changes), on_progress=told)


def small_training(
    name: str,
    folder: Path,
    data: TrainingData,
    *,
    told: OnProgress = ignore_progress,
    stop: threading.Event | None = None,
    resume: bool = False,
    **changes: Any,
) -> tuple[dict[str, Tensor], RunOutcome]:
    """The training alone, which takes half as long. Returns the weights and the outcome."""
    system = small(name).system
    outcome = train_run(system, data, small_settings(name, folder, resume=resume, **changes), on_progress=told, stop=stop)
    return system.state_dict(), outcome
