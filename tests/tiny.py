"""A model small enough to be trained inside a test, and pictures simple enough to be learned in seconds."""

import hashlib
import random
from dataclasses import replace
from functools import cache

import numpy as np

from crossmodal.backbones.resnet import Weights
from crossmodal.items import Pixels
from crossmodal.progress import ignore_progress
from datasets import LostFoundDataset
from encoders import TowerSpec
from engine.models.spec import ModelCard, ModelSpec
from engine.models.trained import TrainedModel, build_untrained
from engine.retraining import DatasetSplit, TrainingSettings, fit_model

SPEC = ModelSpec(embed_dim=32, vocab_size=512, max_text_tokens=8, image_size_px=32)
SETTINGS = TrainingSettings(max_epochs=12, batch_size=16, learning_rate=2e-3, patience=12, seed=3)
RANDOM = Weights("random weights", "Nothing was looked for.")
COLOURS = {"red": (220, 30, 30), "green": (30, 180, 60), "blue": (30, 60, 220), "yellow": (230, 210, 40), "black": (20, 20, 20)}
THINGS = ("disc", "bar")


def drawn(colour: str, thing: str, seed: int, *, size: int = 32) -> Pixels:
    """(size, size, 3) uint8: a disc or a bar of a colour on a bright ground, somewhere near the middle."""
    rng = random.Random(f"{colour} {thing} {seed}")
    pixels = np.full((size, size, 3), rng.randrange(150, 255), np.uint8)
    down, right = (np.arange(size) - size / 2 + rng.uniform(-size / 8, size / 8) for _ in range(2))
    inside = (
        np.hypot(down[:, None], right) < size / 3.5
        if thing == "disc"
        else (abs(down[:, None]) < size / 8) & (abs(right) < size / 2.5)
    )
    pixels[inside] = COLOURS[colour]
    return pixels


def pairs(n: int, *, seed: int = 0, size: int = 32) -> LostFoundDataset:
    """`n` pictures of every colour and thing in turn, with titles in two word orders."""
    kinds = [(colour, thing) for colour in COLOURS for thing in THINGS]
    found = []
    for i in range(n):
        colour, thing = kinds[i % len(kinds)]
        pixels = drawn(colour, thing, seed * 10_000 + i, size=size)
        title = f"{colour} {thing}" if i % 3 else f"{thing} in {colour}"
        found.append((pixels, (title,), hashlib.sha256(pixels.tobytes()).hexdigest()))
    return LostFoundDataset.collect(found)


def small_spec(*, image_size_px: int = 32, embed_dim: int = SPEC.embed_dim, item_embedding: str = "image") -> ModelSpec:
    """A model that is built, written and read in a moment, for tests whose models need only differ from each other."""
    layers = {"patch_size": 8, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    image = TowerSpec("vit_b_16", {"image_size_px": image_size_px, **layers}, pooling="mean")
    return replace(SPEC, image=image, image_size_px=image_size_px, embed_dim=embed_dim, item_embedding=item_embedding)


SMALL = small_spec()


def untrained(spec: ModelSpec = SMALL, *, seed: int) -> TrainedModel:
    """One with random numbers; another seed gives another model."""
    card = ModelCard(RANDOM.name, RANDOM.note, "none", 10, 0.0, 2.0, None, ())
    return TrainedModel(build_untrained(spec, seed=seed), spec, card, model_id="")


# The small network reads pictures of one size only.
SMALL_SETTINGS = TrainingSettings(max_epochs=16, batch_size=16, learning_rate=4e-3, patience=16, seed=3, growing=False)


@cache
def shared_model() -> TrainedModel:
    """One small model for every test of a run that only reads it: it learned from 60 pictures and finds 30 others; about a second."""
    return fit_model(
        DatasetSplit(pairs(60), pairs(30, seed=1), "drawn"), SMALL, SMALL_SETTINGS, weights=RANDOM, on_progress=ignore_progress
    )


@cache
def shared_resnet() -> TrainedModel:
    """The same of the default model: some 5 s on an idle core."""
    return fit_model(
        DatasetSplit(pairs(60), pairs(30, seed=1), "drawn"), SPEC, SETTINGS, weights=RANDOM, on_progress=ignore_progress
    )
