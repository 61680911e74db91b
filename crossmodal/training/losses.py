"""Losses over a batch of pictures and texts: pure functions of embeddings.

A batch has n pictures and m texts, possibly several texts per picture. Group numbers say which of them describe the same thing (texts of
one picture, pictures with equal texts). Members of one group are positives of each other, never negatives. A row or column without a
positive in the batch contributes 0 where the loss needs one.

Common to all losses:
    image_embeddings: (n, embed_dim), text_embeddings: (m, embed_dim), unit length, any floating type.
    logit_scale: scalar, the factor on the cosine (not its logarithm).
    groups: (n,) int64 of the pictures; text_groups: (m,) int64 of the texts, None if text i belongs to picture i (then m = n).
    Returns a scalar ≥ 0, computed in float32 also under autocast: in bfloat16 a logit near 100 is rounded to 0.5.
    Raises ValueError: the shapes do not fit or the batch is empty.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossmodal.registry import lookup

_NOTHING = torch.finfo(torch.float32).min


def contrastive_loss(
    image_embeddings: Tensor, text_embeddings: Tensor, logit_scale: Tensor, groups: Tensor, text_groups: Tensor | None = None
) -> Tensor:
    """Symmetric cross-entropy over the batch's similarities (Radford et al. 2021, CLIP, figure 3), with shared targets.

    The target of a row is uniform over its group, as in supervised contrastive learning (Khosla et al. 2020, equation 2). With all groups
    different this is CLIP's loss. Its minimum is the mean entropy of the targets. A row without a positive contributes 0.
    """
    cosines, same = compared(image_embeddings, text_embeddings, groups, text_groups)
    logits_per_image = logit_scale.float() * cosines  # (n images, m texts)
    wanted = same.to(logits_per_image.dtype)
    per_image = functional.cross_entropy(logits_per_image, _spread(wanted))
    per_text = functional.cross_entropy(logits_per_image.T, _spread(wanted.T.contiguous()))
    return torch.stack((per_image, per_text)).mean()


def infonce_loss(
    image_embeddings: Tensor,
    text_embeddings: Tensor,
    logit_scale: Tensor,
    groups: Tensor,
    text_groups: Tensor | None = None,
    *,
    direction: str = "both",
    hardness: float = 0.0,
) -> Tensor:
    """InfoNCE (van den Oord et al. 2018, equation 4), one cross-entropy per positive pair: the positive against all negatives.

    Other positives of the query are not in the denominator, unlike in `contrastive_loss`. With all groups different and without hardness
    both losses are equal.

    Args:
        direction: `text_to_image` (every text is a query among the pictures), `image_to_text`, or `both`, their mean.
        hardness: β ≥ 0 of Robinson et al. 2021 ("Contrastive Learning with Hard Negative Samples", section 4): a negative counts
            proportionally to exp(β · logit), weights of mean 1 that are constants to the gradient. 0 counts all alike.
    """
    cosines, same = compared(image_embeddings, text_embeddings, groups, text_groups)
    logits = logit_scale.float() * cosines
    if direction == "both":
        return torch.stack((_infonce(logits, same, hardness), _infonce(logits.T, same.T, hardness))).mean()
    if direction not in {"text_to_image", "image_to_text"}:
        raise ValueError(f"direction is both, text_to_image or image_to_text, not {direction!r}")
    return _infonce(logits.T, same.T, hardness) if direction == "text_to_image" else _infonce(logits, same, hardness)


def _infonce(logits: Tensor, same: Tensor, hardness: float) -> Tensor:
    """Mean over all pairs of log(1 + Σ negatives / positive); rows are queries."""
    negatives = logits.masked_fill(same, _NOTHING)
    if hardness:
        hard = (hardness * negatives.detach()).masked_fill(same, _NOTHING)
        count = (~same).sum(dim=1, keepdim=True).clamp(min=1)
        negatives = negatives + (functional.log_softmax(hard, dim=1) + count.log()).masked_fill(same, 0.0)
    against = negatives.logsumexp(dim=1, keepdim=True)  # (rows, 1); about _NOTHING where there are none
    costs = functional.softplus((against - logits).clamp(min=-1e4))  # −log(positive / (positive + negatives))
    return _mean_where(costs, same)


def triplet_loss(
    image_embeddings: Tensor,
    text_embeddings: Tensor,
    groups: Tensor,
    text_groups: Tensor | None = None,
    *,
    margin: float = 0.2,
    hardest: bool = True,
) -> Tensor:
    """Max of hinges in both directions (Faghri et al. 2018, VSE++, equation 5), averaged over the pairs of the batch.

    For each pair: [margin + hardest wrong text − pair]₊ + [margin + hardest wrong picture − pair]₊, in cosines.

    Args:
        hardest: False takes the mean over all wrong ones instead of the hardest, which is steadier from random weights.
    """
    cosines, same = compared(image_embeddings, text_embeddings, groups, text_groups)
    return _hinges(cosines, same, margin, hardest) + _hinges(cosines.T, same.T, margin, hardest)


def _hinges(cosines: Tensor, same: Tensor, margin: float, hardest: bool) -> Tensor:
    if hardest:
        wrong = cosines.masked_fill(same, _NOTHING).amax(dim=1, keepdim=True)
        return _mean_where((margin + wrong - cosines).clamp(min=0.0), same)
    costs = (margin + cosines[:, None, :] - cosines[:, :, None]).clamp(min=0.0)  # (rows, right, wrong)
    wrong_ones = (~same)[:, None, :].expand_as(costs)
    each = (costs * wrong_ones).sum(dim=2) / wrong_ones.sum(dim=2).clamp(min=1)
    return _mean_where(each, same)


def siglip_loss(
    image_embeddings: Tensor,
    text_embeddings: Tensor,
    logit_scale: Tensor,
    logit_bias: Tensor,
    groups: Tensor,
    text_groups: Tensor | None = None,
) -> Tensor:
    """Binary classification of each picture with each text (Zhai et al. 2023, "Sigmoid Loss", equation 1 and algorithm 1).

    The sum over all combinations is divided by max(n, m), which is the paper's batch size when n = m.

    Args:
        logit_bias: scalar, learnable; −10 at the start, as nearly every answer is no.
    """
    cosines, same = compared(image_embeddings, text_embeddings, groups, text_groups)
    logits = logit_scale.float() * cosines + logit_bias.float()
    return functional.softplus(torch.where(same, -logits, logits)).sum() / max(cosines.shape)


def compared(
    image_embeddings: Tensor, text_embeddings: Tensor, groups: Tensor, text_groups: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Compare every picture with every text. Returns cosines (n, m) float32 and whether both have the same group (n, m) bool."""
    others = groups if text_groups is None else text_groups
    fits = image_embeddings.ndim == text_embeddings.ndim == 2 and image_embeddings.shape[1] == text_embeddings.shape[1]
    if not fits or groups.shape != image_embeddings.shape[:1] or others.shape != text_embeddings.shape[:1]:
        raise ValueError(
            "need batches that fit, not "
            f"{tuple(image_embeddings.shape)}, {tuple(text_embeddings.shape)}, {tuple(groups.shape)}, {tuple(others.shape)}"
        )
    if not len(groups) or not len(others):
        raise ValueError("need batches that are not empty")
    with torch.autocast(image_embeddings.device.type, enabled=False):
        cosines = image_embeddings.float() @ text_embeddings.float().T
    return cosines, groups[:, None] == others[None, :]


def _spread(wanted: Tensor) -> Tensor:
    return wanted / wanted.sum(dim=1, keepdim=True).clamp(min=1.0)


def _mean_where(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen values; 0.0 if there are none."""
    return torch.where(chosen, values, 0.0).sum() / chosen.sum().clamp(min=1)


class PairLoss(nn.Module, ABC):
    """Base of the losses as modules.

    Attributes:
        initial_logit_scale: initial factor on the cosine with this loss.
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
    """`infonce`: each pair against its negatives, by default in both directions; hard negatives can have a higher weight."""

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
    """`triplet`: a margin to the hardest negative of the batch. The factor on the cosine is not used and not trained."""

    def __init__(self, *, margin: float = 0.2, hardest: bool = True) -> None:
        super().__init__()
        self.margin, self.hardest = margin, hardest

    def forward(
        self, image_embeddings: Tensor, text_embeddings: Tensor, logit_scale: Tensor, groups: Tensor, text_groups: Tensor
    ) -> Tensor:
        """See `triplet_loss`. The factor on the cosine gets a gradient of zero."""
        loss = triplet_loss(image_embeddings, text_embeddings, groups, text_groups, margin=self.margin, hardest=self.hardest)
        return loss + 0.0 * logit_scale.float()


class SiglipLoss(PairLoss):
    """`siglip`: binary classification of every picture with every text, with a learnable bias."""

    initial_logit_scale = 10.0

    def __init__(self, *, bias: float = -10.0) -> None:
        super().__init__()
        self.logit_bias = nn.Parameter(torch.tensor(bias))

    def forward(
        self, image_embeddings: Tensor, text_embeddings: Tensor, logit_scale: Tensor, groups: Tensor, text_groups: Tensor
    ) -> Tensor:
        """See `siglip_loss`."""
        return siglip_loss(image_embeddings, text_embeddings, logit_scale, self.logit_bias, groups, text_groups)


LOSSES: dict[str, Callable[..., PairLoss]] = {
    "clip": ClipLoss,
    "infonce": InfoNCELoss,
    "triplet": TripletLoss,
    "siglip": SiglipLoss,
}


def loss_named(name: str, **options: float | str | bool) -> PairLoss:
    """Create the loss with a name.

    Args:
        options: see the class: `direction`, `hardness` (infonce), `margin`, `hardest` (triplet), `bias` (siglip).

    Raises:
        QueryError: `bad_request`: there is no loss of this name; the remedy lists those there are.
    """
    return lookup(LOSSES, name, kind="loss")(**options)
