"""Vision transformer ViT-B/16 (Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words") from torchvision, without its classifier."""

from pathlib import Path

import torch
from torch import Tensor, nn

from crossmodal.backbones.base import Config, Features, ImageBackbone, sequence
from crossmodal.backbones.config import only, picture_settings, preprocessing, settle
from crossmodal.backbones.hugging_face import (
    find_checkpoint,
    import_transformers,
    load_config,
    load_network,
    network_settings,
    origin_of,
    preprocessor_of,
)
from crossmodal.backbones.torchvision import load_imagenet
from crossmodal.backbones.weights import WeightsSource
from crossmodal.torchvision_compat import import_torchvision

VIT_B_16 = "vit_b_16"

SIZES: Config = {
    "patch_size": 16,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "dropout": 0.0,
}


class ViTB16(ImageBackbone):
    """ViT-B/16; its layers are the blocks, and the features are the class token and the patches, row by row.

    Args:
        given: settings to change: those of `SIZES`, `image_size_px`, `scaling` or `mean` and `std`.
    """

    pooling = "first"

    def __init__(self, given: Config | None = None) -> None:
        settings = settle(VIT_B_16, {**picture_settings(224, "imagenet"), **SIZES}, given)
        super().__init__(VIT_B_16, features=settings["hidden_size"], blocks=settings["num_hidden_layers"])
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
    """Load ImageNet weights.

    Raises:
        WeightsError: they are not available or do not fit.
    """
    backbone = ViTB16(given)
    load_imagenet(backbone, backbone.network, weights="ViT_B_16_Weights.IMAGENET1K_V1", source=source)
    return backbone


def picture_settings_of(folder: Path, image_size_px: int, scaling: str) -> Config:
    """The picture settings of a checkpoint: size, mean and deviation.

    Args:
        image_size_px: side in pixels, from the configuration of the network.
        scaling: entry of `SCALINGS` for a checkpoint without preprocessing settings.
    """
    settings = preprocessor_of(folder)
    mean, std = settings.get("image_mean"), settings.get("image_std")
    stated = {"mean": mean, "std": std} if isinstance(mean, list) and isinstance(std, list) else {}
    return picture_settings(image_size_px, scaling) | stated


VIT_HF = "google/vit-base-patch16-224"

HF_SIZES: Config = {
    "patch_size": 16,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "qkv_bias": True,
}


class ViTGoogle(ImageBackbone):
    """ViT-B/16; its layers are the blocks, and the features are the class token and the patches, row by row.

    Args:
        given: settings to change: those of `SIZES`, `image_size_px`, `scaling` or `mean` and `std`.
        network: the `ViTModel` to use, of the same settings; None builds one with random weights.
    """

    pooling = "first"

    def __init__(self, given: Config | None = None, *, network: nn.Module | None = None) -> None:
        settings = settle(VIT_HF, {**picture_settings(224, "symmetric"), **HF_SIZES}, given)
        super().__init__(VIT_HF, features=settings["hidden_size"], blocks=settings["num_hidden_layers"])
        self.settings = settings
        self.preprocessing = preprocessing(settings)
        self.network = _random(settings) if network is None else network

    def config(self) -> Config:
        """See `Backbone`."""
        return dict(self.settings)

    def stem(self, images: Tensor, trainable_blocks: int) -> Features:
        """See `ImageBackbone`."""
        self.check_blocks(trainable_blocks)
        hidden = self.network.get_submodule("embeddings")(images)
        for layer in (
            self._layers()[: self.blocks - trainable_blocks] if len(images) else ()
        ):  # the library cannot reshape an empty batch
            hidden = layer(hidden)
        return sequence(hidden if trainable_blocks else self.network.get_submodule("layernorm")(hidden))

    def tail(self, hidden: Features, trainable_blocks: int) -> Features:
        """See `Backbone`."""
        self.check_blocks(trainable_blocks)
        if not trainable_blocks or not len(hidden.values):
            return hidden
        values = hidden.values.to(self.dtype())
        for module in self.tail_modules(trainable_blocks):
            values = module(values)
        return sequence(values)

    def tail_modules(self, trainable_blocks: int) -> list[nn.Module]:
        """See `Backbone`."""
        return [*self._layers()[-trainable_blocks:], self.network.get_submodule("layernorm")] if trainable_blocks else []

    def _layers(self) -> list[nn.Module]:
        return list(self.network.get_submodule("layers").children())


def load_vit_google(source: WeightsSource, given: Config | None = None) -> ViTGoogle:
    """Load the weights and sizes of a checkpoint of this architecture, and its scaling if it defines one.

    Raises:
        WeightsError: there are none, or they do not fit.
    """
    changes = only(VIT_HF, given, "scaling", "mean", "std")
    folder = find_checkpoint(VIT_HF, VIT_HF, source)
    found = load_config(folder, kinds=("vit",), name=VIT_HF)
    settings = {**network_settings(found, tuple(HF_SIZES)), **picture_settings_of(folder, found.image_size, "symmetric"), **changes}
    network = load_network(import_transformers().ViTModel, folder, name=VIT_HF, add_pooling_layer=False)
    backbone = ViTGoogle(settings, network=network)
    backbone.origin = origin_of(folder)
    return backbone


def _random(settings: Config) -> nn.Module:
    transformers = import_transformers()
    config = transformers.ViTConfig(image_size=settings["image_size_px"], **{key: settings[key] for key in HF_SIZES})
    config._attn_implementation = "sdpa"
    network: nn.Module = transformers.ViTModel(config, add_pooling_layer=False)
    return network
