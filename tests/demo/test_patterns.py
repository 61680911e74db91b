"""How much of a pattern is colour and how much is accent, and whether it survives at the size a model looks at."""

from random import Random

import numpy as np
import pytest

from crossmodal.demo.geometry import Placement
from crossmodal.demo.patterns import pattern_layer
from crossmodal.demo.shapes import SHAPES
from crossmodal.demo.vocabulary import COLOURS, PATTERNS

SIDE_PX = 600
MODEL_PX = 64
SMALLEST_SCALE_PX = 190  # half the width of a small thing, in a layer of SIDE_PX
ACCENT_SHARE = {"plain": (0, 0), "striped": (0.35, 0.5), "dotted": (0.18, 0.4), "checked": (0.42, 0.58)}


def layer(pattern: str, *, cell: float = 1.0, seed: int = 0) -> np.ndarray:
    rng = Random(seed)
    placement = Placement(rng.uniform(-50, 50), SMALLEST_SCALE_PX, (SIDE_PX / 2, SIDE_PX / 2))
    picture = pattern_layer(SIDE_PX, pattern, colour=COLOURS[0], placement=placement, cell=cell, rng=rng)
    return np.asarray(picture, dtype=int)


@pytest.mark.parametrize("pattern", [pattern.name for pattern in PATTERNS])
@pytest.mark.parametrize("seed", range(5))
def test_colour_and_accent_share_the_cloth(pattern: str, seed: int) -> None:
    drawn = layer(pattern, seed=seed)[100:500, 100:500]
    is_accent = (drawn == COLOURS[0].accent).all(axis=-1)
    assert (is_accent | (drawn == COLOURS[0].rgb).all(axis=-1)).all()
    low, high = ACCENT_SHARE[pattern]
    assert low <= is_accent.mean() <= high


@pytest.mark.parametrize("pattern", ["striped", "dotted", "checked"])
def test_the_smallest_pattern_stays_visible_to_a_model(pattern: str) -> None:
    cell = min(shape.pattern_scale for shape in SHAPES.values())
    drawn = layer(pattern, cell=cell)
    edges = np.linspace(0, SIDE_PX, MODEL_PX + 1).astype(int)
    rows = np.add.reduceat(drawn, edges[:-1], axis=0) / np.diff(edges)[:, None, None]
    small = np.add.reduceat(rows, edges[:-1], axis=1) / np.diff(edges)[None, :, None]
    for colour in (COLOURS[0].rgb, COLOURS[0].accent):
        assert (np.abs(small[16:48, 16:48] - colour).max(axis=-1) < 30).mean() > 0.05


def test_an_unknown_pattern_is_refused() -> None:
    with pytest.raises(KeyError, match="tartan"):
        layer("tartan")
