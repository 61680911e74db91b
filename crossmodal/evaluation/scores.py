"""Sample the scores of pairs and non-pairs for a plot."""

import torch
from torch import Tensor
from torch.nn import functional

from crossmodal.evaluation.ranking import RelevantPairs, pair_scores

MOST = 50_000


def sampled_scores(
    image_embeddings: Tensor, text_embeddings: Tensor, image_groups: Tensor, text_groups: Tensor, *, most: int = MOST, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Randomly sample cosines of pairs and of non-pairs.

    Shape:
        image_embeddings: (n, d); text_embeddings: (m, d); image_groups: (n,), text_groups: (m,) int64, equal group numbers make a pair.

    Returns:
        (p,) and (o,) float64, at most `most` each; either may be empty.
    """
    images, texts = (functional.normalize(side.detach().cpu().float(), dim=1) for side in (image_embeddings, text_embeddings))
    generator = torch.Generator().manual_seed(seed)
    pairs = RelevantPairs.of_groups(image_groups, text_groups)
    kept = torch.randperm(len(pairs.image), generator=generator)[:most]
    together = RelevantPairs(pairs.image[kept], pairs.text[kept], pairs.images, pairs.texts)
    if not len(images) or not len(texts):
        return pair_scores(images, texts, together), torch.zeros(0, dtype=torch.float64)
    image, text = (torch.randint(len(side), (most,), generator=generator) for side in (images, texts))
    apart = image_groups[image] != text_groups[text]
    others = RelevantPairs(image[apart], text[apart], pairs.images, pairs.texts)
    return pair_scores(images, texts, together), pair_scores(images, texts, others)
