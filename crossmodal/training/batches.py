"""Which pairs go together, and how their pictures and texts are varied: pure functions of tensors, titles and a generator."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def vary_pictures(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Pictures mirrored by lot, at `size` pixels, and shifted together by up to a sixteenth of it.

    Shape: (n, 3, side, side) float32 → (n, 3, size, size) float32, channels last.
    """
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    if size != images.shape[-1]:
        images = functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
    reach = size // 16
    down, right = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
    return images.roll((down, right), dims=(2, 3)).contiguous(memory_format=torch.channels_last)


def draw_texts(captions: Sequence[tuple[str, ...]], generator: torch.Generator) -> list[str]:
    """One text of each pair, by lot."""
    picks = torch.rand(len(captions), generator=generator).tolist()
    return [texts[int(pick * len(texts))] for texts, pick in zip(captions, picks, strict=True)]
