"""Losses by name, each as a module: some of them learn a number of their own."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from crossmodal.registry import Registry
from crossmodal.training.losses import contrastive_loss, infonce_loss, siglip_loss, triplet_loss


class PairLoss(nn.Module, ABC):
    """What a training makes small.

    Attributes:
        initial_logit_scale: where the factor on the cosine starts with this loss.
    """

    initial_logit_scale: float = 1 / 0.07

    @abstractmethod
    def forward(
        self, image_embeddings: Tensor, text_embeddings: Tensor, logit_scale: Tensor, groups: Tensor, text_groups: Tensor
    ) -> Tensor:
        """A scalar; see `crossmodal.training.losses` for shapes and errors."""


class ClipLoss(PairLoss):
    """`clip`: symmetric cross-entropy, shared targets."""

    def forward(
        self, image_embeddings: Tensor, text_embeddings: Tensor, logit_scale: Tensor, groups: Tensor, text_groups: Tensor
    ) -> Tensor:
        """See `contrastive_loss`."""
        return contrastive_loss(image_embeddings, text_embeddings, logit_scale, groups, text_groups)


class InfoNCELoss(PairLoss):
    """`infonce`: each pair against its negatives; both directions unless told otherwise, and harder negatives may count for more."""

    def __init__(self, *, direction: str = "both", hardness: float = 0.0) -> None:
        super().__init__()
        self.direction, self.hardness = direction, hardness

    def forward(
        self, image_embeddings: Tensor, text_embeddings: Tensor, logit_scale: Tensor, groups: Tensor, text_groups: Tensor
    ) -> Tensor:
        """See `infonce_loss`."""
        return infonce_loss(
            image_embeddings,
            text_embeddings,
            logit_scale,
            groups,
            text_groups,
            direction=self.direction,
            hardness=self.hardness,
        )


class TripletLoss(PairLoss):
    """`triplet`: the hardest wrong one of the batch stays a margin behind. Cosines need no factor; it is left as it is."""

    def __init__(self, *, margin: float = 0.2, hardest: bool = True) -> None:
        super().__init__()
        self.margin, self.hardest = margin, hardest

    def forward(
        self, image_embeddings: Tensor, text_embeddings: Tensor, logit_scale: Tensor, groups: Tensor, text_groups: Tensor
    ) -> Tensor:
        """See `triplet_loss`. The factor is given a gradient of zero: several processes wait for a gradient of every number."""
        loss = triplet_loss(image_embeddings, text_embeddings, groups, text_groups, margin=self.margin, hardest=self.hardest)
        return loss + 0.0 * logit_scale.float()


class SiglipLoss(PairLoss):
    """`siglip`: yes or no for every picture with every text, with a learnable bias."""

    initial_logit_scale = 10.0

    def __init__(self, *, bias: float = -10.0) -> None:
        super().__init__()
        self.logit_bias = nn.Parameter(torch.tensor(bias))

    def forward(
        self, image_embeddings: Tensor, text_embeddings: Tensor, logit_scale: Tensor, groups: Tensor, text_groups: Tensor
    ) -> Tensor:
        """See `siglip_loss`."""
        return siglip_loss(image_embeddings, text_embeddings, logit_scale, self.logit_bias, groups, text_groups)


LOSSES: Registry[Callable[..., PairLoss]] = Registry("loss")
LOSSES.register("clip", ClipLoss)
LOSSES.register("infonce", InfoNCELoss)
LOSSES.register("triplet", TripletLoss)
LOSSES.register("siglip", SiglipLoss)


def loss_named(name: str, **options: float | str | bool) -> PairLoss:
    """A new loss.

    Args:
        options: see the class: `direction`, `hardness` (infonce), `margin`, `hardest` (triplet), `bias` (siglip).

    Raises:
        QueryError: `bad_request`: there is no loss of this name; the remedy lists those there are.
    """
    return LOSSES.get(name)(**options)
