"""Convert pixel squares to the input tensor of an image encoder."""

import numpy as np
import torch

from crossmodal.items import Pixels

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Statistics of ImageNet pixels in [0, 1] (red, green, blue), as torchvision's pretrained networks expect."""


def to_model_input(
    pixels: Pixels, *, mean: tuple[float, float, float] = MEAN, std: tuple[float, float, float] = STD
) -> torch.Tensor:
    """Normalise a batch of squares: `(pixel / 255 - mean) / std` for each channel.

    Shape:
        pixels: (n, S, S, 3) uint8, RGB; n may be 0.
        returns: (n, 3, S, S) float32 in channels-last memory format, which is fastest for CPU convolutions and needs no reordering.

    Raises:
        ValueError: wrong shape or dtype.
    """
    if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"expected (n, S, S, 3) uint8, got {pixels.shape} {pixels.dtype}")
    writable = np.require(pixels, requirements=["C", "W"])  # torch warns about read-only arrays
    batch = torch.from_numpy(writable).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
    centre, spread = torch.tensor(mean).view(1, 3, 1, 1), torch.tensor(std).view(1, 3, 1, 1)
    return batch.mul_(1 / (255 * spread)).sub_(centre / spread)
