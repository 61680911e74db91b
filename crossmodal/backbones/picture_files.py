"""`preprocessor_config.json`: what a checkpoint of `transformers` says of the pictures it was trained on."""

import json
from pathlib import Path
from typing import Any

from crossmodal.backbones.base import Config
from crossmodal.backbones.settings import picture_settings


def picture_settings_of(folder: Path, image_size_px: int, scaling: str) -> Config:
    """Size, mean and deviation of a checkpoint's pictures.

    Args:
        image_size_px: side, from the network's own configuration.
        scaling: row of `SCALINGS` for a checkpoint that does not say.
    """
    found = picture_settings(image_size_px, scaling)
    try:
        said: Any = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return found
    mean, std = (said.get(f"image_{key}") if isinstance(said, dict) else None for key in ("mean", "std"))
    if isinstance(mean, list) and isinstance(std, list):
        found |= {"mean": mean, "std": std}
    return found
