"""The vision transformer `google/vit-base-patch16-224` (Dosovitskiy et al. 2021; trained on ImageNet-21k) through `transformers`."""

from torch import Tensor, nn

from crossmodal.backbones.base import Config, Features, ImageBackbone, sequence
from crossmodal.backbones.hugging_face import (
    find_checkpoint,
    import_transformers,
    load_config,
    load_network,
    network_settings,
    origin_of,
)
from crossmodal.backbones.picture_files import picture_settings_of
from crossmodal.backbones.settings import only, picture_settings, preprocessing, settle
from crossmodal.backbones.weights import WeightsSource

NAME = "google/vit-base-patch16-224"

SIZES: Config = {
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
    """The layers are the blocks; the features are the class token, then every patch row by row.

    Args:
        given: settings to change: those of `SIZES`, `image_size_px`, `scaling` or `mean` and `std`.
        network: the `ViTModel` to use, of the same settings; None builds one with random weights.
    """

    pooling = "first"

    def __init__(self, given: Config | None = None, *, network: nn.Module | None = None) -> None:
        settings = settle(NAME, {**picture_settings(224, "symmetric"), **SIZES}, given)
        super().__init__(NAME, features=settings["hidden_size"], blocks=settings["num_hidden_layers"])
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
        for layer in self._layers()[: self.blocks - trainable_blocks] if len(images) else ():  # it cannot reshape nothing
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
    """With the weights of a checkpoint of this architecture; its own sizes, and its own scaling where it says one.

    Raises:
        WeightsError: there are none, or they do not fit.
    """
    changes = only(NAME, given, "scaling", "mean", "std")
    folder = find_checkpoint(NAME, NAME, source)
    found = load_config(folder, kinds=("vit",), name=NAME)
    settings = {**network_settings(found, tuple(SIZES)), **picture_settings_of(folder, found.image_size, "symmetric"), **changes}
    network = load_network(import_transformers().ViTModel, folder, name=NAME, add_pooling_layer=False)
    backbone = ViTGoogle(settings, network=network)
    backbone.origin = origin_of(folder)
    return backbone


def _random(settings: Config) -> nn.Module:
    transformers = import_transformers()
    config = transformers.ViTConfig(image_size=settings["image_size_px"], **{key: settings[key] for key in SIZES})
    config._attn_implementation = "sdpa"
    network: nn.Module = transformers.ViTModel(config, add_pooling_layer=False)
    return network
