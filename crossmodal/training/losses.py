"""Losses over a batch of pairs: pure functions of embeddings."""

import torch
from torch import Tensor
from torch.nn import functional


def contrastive_loss(image_embeddings: Tensor, text_embeddings: Tensor, logit_scale: Tensor, groups: Tensor) -> Tensor:
    """Symmetric cross-entropy over the batch's similarities (Radford et al. 2021, CLIP, figure 3), with shared targets.

    Pairs of one group describe the same thing (equal titles, or captions of one picture). They are not negatives of each other: the target
    of a row is spread evenly over its group, as in supervised contrastive learning (Khosla et al. 2020, equation 2). With all groups
    different this is CLIP's loss.

    Shape:
        image_embeddings, text_embeddings: (n, embed_dim) float32, length 1; row i of both is pair i.
        logit_scale: scalar, the factor on the cosine (not its logarithm).
        groups: (n,) int64.

    Returns:
        A scalar ≥ the mean entropy of the targets, computed in float32 also under autocast: in bfloat16 a logit near 100 is rounded to 0.5.

    Raises:
        ValueError: shapes differ or the batch is empty.
    """
    if image_embeddings.shape != text_embeddings.shape or len(groups) != len(image_embeddings) or len(groups) == 0:
        raise ValueError(
            f"need equal, non-empty batches, not {tuple(image_embeddings.shape)}, {tuple(text_embeddings.shape)}, {len(groups)}"
        )
    with torch.autocast(image_embeddings.device.type, enabled=False):
        logits_per_image = logit_scale * (image_embeddings.float() @ text_embeddings.float().T)  # (n images, n texts)
    same = (groups[:, None] == groups[None, :]).to(logits_per_image.dtype)
    targets = same / same.sum(dim=1, keepdim=True)
    per_image = functional.cross_entropy(logits_per_image, targets)
    per_text = functional.cross_entropy(logits_per_image.T, targets)
    return torch.stack((per_image, per_text)).mean()
