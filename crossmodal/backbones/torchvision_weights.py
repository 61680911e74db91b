"""ImageNet weights for a backbone that torchvision has: a file, the weights folder, torchvision's cache, its server."""

from typing import Any

from torch import nn

from crossmodal.backbones.base import ImageBackbone, Origin
from crossmodal.backbones.download import from_torchvision
from crossmodal.backbones.weights import WeightsSource, load_fitted, local_file, missing, read_state
from crossmodal.torchvision_import import import_torchvision


def load_imagenet(backbone: ImageBackbone, network: nn.Module, *, weights: str, source: WeightsSource) -> None:
    """Fill `network`, a part of `backbone`, and note where the weights came from.

    Args:
        weights: torchvision's name of the set: `MobileNet_V2_Weights.IMAGENET1K_V1`.

    Raises:
        WeightsError: there are none, or they do not fit; the remedy says what to put where.
    """
    kind, _, entry = weights.partition(".")
    chosen: Any = getattr(getattr(import_torchvision().models, kind), entry)
    published = chosen.url.rpartition("/")[2].rpartition(".")[0]  # a file as the server calls it is welcome too
    name = backbone.name
    if (file := local_file(source, name, published)) is not None:
        load_fitted(network, read_state(file), what=f"torchvision's {name}", file=file.name)
        backbone.origin = Origin(True, f"Loaded from {file.name}.")
        return
    state = from_torchvision(chosen, source.timeout_s) if source.download else None
    if state is None:
        tried = "could not be downloaded" if source.download else "are not on this computer, and downloading is switched off"
        raise missing(
            f"The weights of {name} {tried}.", f"Put a state_dict of torchvision's {name} at {source.place(f'{name}.pth')}."
        )
    load_fitted(network, state, what=f"torchvision's {name}", file="what torchvision loaded")
    backbone.origin = Origin(True, "Loaded by torchvision.")
