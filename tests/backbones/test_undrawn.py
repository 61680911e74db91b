"""Shapes without numbers: the same network, nothing drawn, and no compiler loaded for it."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from crossmodal.backbones.known import image_backbone, text_backbone
from crossmodal.backbones.undrawn import undrawn
from tests.backbones.tiny_backbones import IMAGES, TEXTS
from tests.test_torchvision_import import run

BUILDS: dict[str, Callable[[], nn.Module]] = {
    **{f"image {name}": lambda name=name: image_backbone(name)(IMAGES[name]) for name in IMAGES},
    **{f"text {name}": lambda name=name: text_backbone(name)(TEXTS[name]) for name in TEXTS},
}


@pytest.mark.parametrize("name", BUILDS)
def test_the_shapes_are_those_of_the_drawn_network(name: str) -> None:
    with torch.device("meta"), undrawn():
        shapes = BUILDS[name]().state_dict()
    drawn = BUILDS[name]().state_dict()
    assert {key: (value.shape, value.dtype) for key, value in shapes.items()} == {
        key: (value.shape, value.dtype) for key, value in drawn.items()
    }
    assert all(value.is_meta for value in shapes.values())


def test_nothing_is_drawn_inside_and_everything_outside() -> None:
    with undrawn():
        left = [torch.zeros(8).normal_(), nn.init.normal_(torch.zeros(8)), nn.init.uniform_(tensor=torch.zeros(8))]
        left.append(nn.init.kaiming_normal_(torch.zeros(4, 4)))
        filled = nn.init.constant_(torch.zeros(8), 3.0)
    assert not any(tensor.any() for tensor in left)
    assert bool((filled == 3.0).all())
    assert bool(nn.init.normal_(torch.zeros(8)).any())


def test_building_shapes_does_not_load_the_compiler() -> None:
    said = run(
        """
        import sys
        import torch
        from crossmodal.backbones.known import image_backbone, text_backbone
        from crossmodal.backbones.undrawn import undrawn
        with torch.device("meta"), undrawn():
            image_backbone("resnet18")(), text_backbone("gru")()
        print("torch._dynamo" in sys.modules)
        """
    )
    assert said == "False"
