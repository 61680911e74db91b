"""Other looks at the same picture, so that a frozen network sees more than one: plain, mirrored, and crops drawn by its own hash."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from crossmodal.training.seeds import generator_for

PLAIN, MIRRORED = 0, 1
SMALLEST_CROP = 0.75
"""Least side of a crop, as a share of the picture's."""


def view_of(pixels: npt.NDArray[np.uint8], view: int, names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """The same pictures as one view of them shows them; the same for the same names in every run.

    Args:
        view: 0 plain, 1 mirrored, from 2 on a square crop at a random place, mirrored by lot.
        names: of each picture, for instance its content hash: what lot is drawn from.

    Shape: (n, size, size, 3) uint8 → the same.
    """
    if view == PLAIN:
        return pixels
    if view == MIRRORED:
        return np.ascontiguousarray(pixels[:, :, ::-1])
    return np.stack([_crop(picture, view, name) for picture, name in zip(pixels, names, strict=True)])


def _crop(picture: npt.NDArray[np.uint8], view: int, name: str) -> npt.NDArray[np.uint8]:
    size = len(picture)
    lots = torch.rand(4, generator=generator_for(0, "crop", view, name)).tolist()
    side = round(size * (SMALLEST_CROP + lots[0] * (1 - SMALLEST_CROP)))
    down, right = (int(lot * (size - side + 1)) for lot in lots[1:3])
    part = picture[down : down + side, right : right + side]
    part = part[:, ::-1] if lots[3] < 0.5 else part
    image = torch.from_numpy(np.ascontiguousarray(part)).permute(2, 0, 1)[None].float()
    scaled = functional.interpolate(image, size=(size, size), mode="bilinear", antialias=True)
    return scaled[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
