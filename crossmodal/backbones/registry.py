"""Registry of backbones by name: built with random weights from their settings, or loaded with pretrained weights."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from crossmodal.backbones.base import Config, ImageBackbone, TextBackbone
from crossmodal.backbones.clip import CLIPImage, CLIPText, load_clip_image, load_clip_text, repository_of
from crossmodal.backbones.everyday import EverydayImage, EverydayText, load_everyday_image, load_everyday_text
from crossmodal.backbones.gru import GRUBackbone, load_gru
from crossmodal.backbones.minilm import LAYERS, MiniLM, load_minilm
from crossmodal.backbones.resnet import ResNet18, load_resnet18
from crossmodal.backbones.torchvision import EfficientNetB0, MobileNetV2, load_efficientnet_b0, load_mobilenet_v2
from crossmodal.backbones.vit import ViTB16, ViTGoogle, load_vit_b_16, load_vit_google
from crossmodal.backbones.weights import WeightsSource
from crossmodal.registry import lookup

B = TypeVar("B", covariant=True)


@dataclass(frozen=True, slots=True)
class Family(Generic[B]):
    """The constructors of one backbone: `build` from settings with random weights, `load` with pretrained weights."""

    build: Callable[[Config | None], B]
    load: Callable[[WeightsSource, Config | None], B]

    def __call__(self, given: Config | None = None) -> B:
        """As `build`."""
        return self.build(given)


IMAGE_BACKBONES: dict[str, Family[ImageBackbone]] = {
    "resnet18": Family(ResNet18, load_resnet18),
    "mobilenet_v2": Family(MobileNetV2, load_mobilenet_v2),
    "efficientnet_b0": Family(EfficientNetB0, load_efficientnet_b0),
    "vit_b_16": Family(ViTB16, load_vit_b_16),
    "google/vit-base-patch16-224": Family(ViTGoogle, load_vit_google),
    "everyday": Family(EverydayImage, load_everyday_image),
    "clip": Family(partial(CLIPImage, "clip"), partial(load_clip_image, "clip")),
}
"""A new backbone is a file with its class and how it is loaded, and one line here: the contract test runs on every entry."""

TEXT_BACKBONES: dict[str, Family[TextBackbone]] = {
    "gru": Family(GRUBackbone, load_gru),
    **{name: Family(partial(MiniLM, name), partial(load_minilm, name)) for name in LAYERS},
    "everyday": Family(EverydayText, load_everyday_text),
    "clip": Family(partial(CLIPText, "clip"), partial(load_clip_text, "clip")),
}
"""Text backbones by name."""


def image_backbone(name: str) -> Family[ImageBackbone]:
    """The image backbone with a name; `clip:ORGANISATION/NAME` is an image tower of the Hugging Face hub.

    Raises:
        QueryError: `bad_request`; the name is unknown. The remedy lists the known ones.
    """
    if name.startswith("clip:") and repository_of(name):
        return Family(partial(CLIPImage, name), partial(load_clip_image, name))
    return lookup(IMAGE_BACKBONES, name, kind="image backbone")


def text_backbone(name: str) -> Family[TextBackbone]:
    """The text backbone with a name, as `image_backbone`."""
    if name.startswith("clip:") and repository_of(name):
        return Family(partial(CLIPText, name), partial(load_clip_text, name))
    return lookup(TEXT_BACKBONES, name, kind="text backbone")
