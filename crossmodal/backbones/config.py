"""Settings of backbones: defaults, changes by the user or a model file, and their ranges."""

from collections.abc import Sequence
from typing import Any

from crossmodal.backbones.base import JSON, Config, Preprocessing
from crossmodal.errors import QueryError
from crossmodal.items import FITS

SCALINGS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "symmetric": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}
"""Name → mean and deviation of pixels in [0, 1]. `imagenet`: statistics of ImageNet, as expected by torchvision's weights; `symmetric`:
pixels in [-1, 1], as expected by weights from TensorFlow; `clip`: statistics of the training pictures of CLIP."""

RANGES: dict[str, tuple[float, float]] = {
    "image_size_px": (16, 1024),
    "patch_size": (1, 256),
    "hidden_size": (8, 8192),
    "intermediate_size": (8, 32_768),
    "num_hidden_layers": (1, 64),
    "num_attention_heads": (1, 128),
    "projection_dim": (8, 8192),
    "semantic_dim": (8, 4096),
    "known_words": (1, 2**16),
    "vocab_size": (16, 2**20),
    "max_position_embeddings": (4, 8192),
    "type_vocab_size": (1, 16),
    "max_tokens": (3, 8192),
    "width": (2, 4096),
    "word_spread": (1e-4, 10.0),
    "pad_token_id": (0, 2**20),
    "eos_token_id": (0, 2**20),
    "width_multiplier": (0.05, 4.0),
    "depth_multiplier": (0.05, 4.0),
    "layer_norm_eps": (0.0, 1.0),
    "dropout": (0.0, 0.95),
    "logit_scale": (-10.0, 10.0),
    "logit_bias": (-1000.0, 1000.0),
}
"""Minimum and maximum of each number, so that a model file cannot request a network that exhausts the memory."""

ACTIVATIONS = ("gelu", "quick_gelu", "gelu_new", "gelu_pytorch_tanh", "relu")


def settle(name: str, defaults: Config, given: Config | None) -> dict[str, Any]:
    """Merge settings into the defaults; `scaling` names an entry of `SCALINGS` in place of `mean` and `std`.

    Raises:
        QueryError: `bad_request`; a setting is unknown, of another type, or out of its range.
    """
    changes = dict(given or {})
    if "mean" in defaults and (scaling := changes.pop("scaling", None)) is not None:
        if not isinstance(scaling, str) or scaling not in SCALINGS:
            raise refused(name, f"has no scaling {scaling!r:.40}; there is {', '.join(SCALINGS)}")
        changes |= _scaled(scaling)
    if unknown := [key for key in changes if key not in defaults]:
        raise refused(name, f"has no setting {unknown[0]!r:.60}; there is {', '.join(defaults)}")
    for key, value in changes.items():
        _check(name, key, value, defaults[key])
    settled = {**defaults, **changes}
    _check_together(name, settled)
    return settled


def _check(name: str, key: str, value: JSON, default: JSON) -> None:
    if isinstance(default, list):
        numbers = isinstance(value, list) and len(value) == 3 and all(isinstance(part, int | float) for part in value)
        if not numbers or not all(abs(part) <= 100 and (key != "std" or part > 1e-3) for part in value):  # type: ignore[operator, union-attr, arg-type]
            raise refused(name, f"takes three numbers as {key}, not {value!r:.60}")
        return
    if key == "hidden_act" and value not in ACTIVATIONS:
        raise refused(name, f"knows the activations {', '.join(ACTIVATIONS)}, not {value!r:.40}")
    if key == "fit" and value not in FITS:
        raise refused(name, f"makes squares by {', '.join(FITS)}, not {value!r:.40}")
    wanted = (float, int) if isinstance(default, float) else type(default)
    if default is not None and (not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool)):
        raise refused(name, f"takes a {type(default).__name__} as {key}, not {value!r:.60}")
    least, most = RANGES.get(key, (value, value))
    if key in RANGES and not least <= value <= most:  # type: ignore[operator]
        raise refused(name, f"takes {least} to {most} as {key}, not {value!r:.40}")


def _check_together(name: str, settled: dict[str, Any]) -> None:
    for whole, part in (("hidden_size", "num_attention_heads"), ("image_size_px", "patch_size")):
        if whole in settled and part in settled and settled[whole] % settled[part]:
            raise refused(name, f"needs a {whole} that {part} divides, not {settled[whole]} and {settled[part]}")


def refused(name: str, why: str) -> QueryError:
    """The error of an invalid setting; `why` continues the sentence after the name of the backbone."""
    return QueryError("bad_request", f"The backbone {name} {why}.", remedy="Change the setting, or leave it out.")


def only(name: str, given: Config | None, *allowed: str) -> Config:
    """Check that only `allowed` settings of a network with pretrained weights are changed.

    Raises:
        QueryError: `bad_request`; another setting is given.
    """
    if fixed := [key for key in given or {} if key not in allowed]:
        raise refused(name, f"has its {fixed[0]!r:.60} from its weights; {', '.join(allowed)} can be changed")
    return dict(given or {})


def picture_settings(image_size_px: int, scaling: str) -> Config:
    """The default settings common to all image backbones."""
    return {"image_size_px": image_size_px, **_scaled(scaling)}


def _scaled(scaling: str) -> Config:
    mean, std = SCALINGS[scaling]
    return {"mean": list(mean), "std": list(std)}


def preprocessing(settled: dict[str, Any]) -> Preprocessing:
    """The preprocessing of an image backbone with these settings."""
    return Preprocessing(settled["image_size_px"], _three(settled["mean"]), _three(settled["std"]), settled.get("fit", "crop"))


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = values
    return float(first), float(second), float(third)
