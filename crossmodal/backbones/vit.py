"""Vision transformer ViT-B/16 (Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words") from torchvision, without its classifier."""

import torch
from torch import Tensor, nn

from crossmodal.backbones.base import Config, Features, ImageBackbone, sequence
from crossmodal.backbones.settings import picture_settings, preprocessing, settle
from crossmodal.backbones.torchvision_weights import load_imagenet
from crossmodal.backbones.weights import WeightsSource
from crossmodal.torchvision_import import import_torchvision

NAME = "vit_b_16"

SIZES: Config = {
    "patch_size": 16,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "dropout": 0.0,
}


class ViTB16(ImageBackbone):
    """The layers are the blocks; the features are the class token, then every patch row by row.

    Args:
        given: settings to change: those of `SIZES`, `image_size_px`, `scaling` or `mean` and `std`.
    """

    pooling = "first"

    def __init__(self, given: Config | None = None) -> None:
        settings = settle(NAME, {**picture_settings(224, "imagenet"), **SIZES}, given)
        super().__init__(NAME, features=settings["hidden_size"], blocks=settings["num_hidden_layers"])
        self.settings = settings
        self.preprocessing = preprocessing(settings)
        self.network: nn.Module = import_torchvision().models.VisionTransformer(
            image_size=settings["image_size_px"],
            patch_size=settings["patch_size"],
            num_layers=settings["num_hidden_layers"],
            num_heads=settings["num_attention_heads"],
            hidden_dim=settings["hidden_size"],
            mlp_dim=settings["intermediate_size"],
            dropout=settings["dropout"],
        )
        self.network.heads = nn.Identity()

    def config(self) -> Config:
        """See `Backbone`."""
        return dict(self.settings)

    def stem(self, images: Tensor, trainable_blocks: int) -> Features:
        """See `ImageBackbone`."""
        self.check_blocks(trainable_blocks)
        network = self.network
        patches = network.get_submodule("conv_proj")(images).flatten(2).transpose(1, 2)  # (n, patches, hidden)
        first = network.get_parameter("class_token").expand(len(images), -1, -1).to(patches.dtype)
        hidden = torch.cat([first, patches], dim=1) + network.get_parameter("encoder.pos_embedding")
        hidden = network.get_submodule("encoder.dropout")(hidden)
        layers = list(network.get_submodule("encoder.layers").children())
        for layer in layers[: self.blocks - trainable_blocks]:
            hidden = layer(hidden)
        return sequence(hidden if trainable_blocks else network.get_submodule("encoder.ln")(hidden))

    def tail(self, hidden: Features, trainable_blocks: int) -> Features:
        """See `Backbone`."""
        self.check_blocks(trainable_blocks)
        if not trainable_blocks:
            return hidden
        values = hidden.values.to(self.dtype())
        for module in self.tail_modules(trainable_blocks):
            values = module(values)
        return sequence(values)

    def tail_modules(self, trainable_blocks: int) -> list[nn.Module]:
        """See `Backbone`."""
        if not trainable_blocks:
            return []
        layers = list(self.network.get_submodule("encoder.layers").children())
        return [*layers[-trainable_blocks:], self.network.get_submodule("encoder.ln")]


def load_vit_b_16(source: WeightsSource, given: Config | None = None) -> ViTB16:
    """With ImageNet weights.

    Raises:
        WeightsError: there are none, or they do not fit.
    """
    backbone = ViTB16(given)
    load_imagenet(backbone, backbone.network, weights="ViT_B_16_Weights.IMAGENET1K_V1", source=source)
    return backbone
