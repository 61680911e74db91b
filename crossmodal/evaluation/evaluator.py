"""Evaluate retrieval between pictures and texts in both directions, with intervals, chance and embedding geometry."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from crossmodal.evaluation.bootstrap import percentiles
from crossmodal.evaluation.ranking import RelevantPairs, rank_both_ways
from crossmodal.evaluation.report import text_table
from crossmodal.evaluation.result import Figure, RetrievalResult, direction_figures
from crossmodal.evaluation.space import alignment, space_figures

RESAMPLES = 1000


def evaluate_bidirectional_retrieval(
    image_embeddings: Tensor,
    text_embeddings: Tensor,
    k_values: Sequence[int] = (1, 5, 10),
    *,
    image_of_text: Tensor | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> RetrievalResult:
    """Evaluate pictures against their captions.

    Args:
        image_embeddings: (n, d), any floating dtype; normalised to unit length here.
        text_embeddings: (m, d), likewise.
        k_values: the k of recall@k, positive.
        image_of_text: (m,) int64 in 0..n-1, the picture of each text. None: texts are ordered by picture, m / n each.
        resamples: bootstrap resamples for the 95 % intervals.
        seed: seed of the resampling.

    Returns:
        Metrics of both directions. A picture without a text is not used as a query, but stays in the gallery.

    Raises:
        ValueError: the shapes do not match, there is no picture or no text, m is not a multiple of n, or a k is not positive.
    """
    n, m = len(image_embeddings), len(text_embeddings)
    if image_of_text is None:
        if n == 0 or m == 0 or m % n:
            raise ValueError(f"{m} texts cannot be divided evenly among {n} pictures: pass image_of_text")
        image_of_text = torch.arange(n).repeat_interleave(m // n)
    elif image_of_text.shape != (m,) or (m and not 0 <= int(image_of_text.min()) <= int(image_of_text.max()) < n):
        raise ValueError(f"image_of_text must be ({m},) with numbers from 0 to {n - 1}, not {tuple(image_of_text.shape)}")
    return evaluate_groups(
        image_embeddings, text_embeddings, torch.arange(n), image_of_text.cpu(), k_values, resamples=resamples, seed=seed
    )


def evaluate_groups(
    image_embeddings: Tensor,
    text_embeddings: Tensor,
    image_groups: Tensor,
    text_groups: Tensor,
    k_values: Sequence[int] = (1, 5, 10),
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> RetrievalResult:
    """Evaluate with groups: pictures and texts of one group, such as items with the same title, are relevant to each other.

    Shape:
        image_groups: (n,) int64; text_groups: (m,) int64, any numbers. The bootstrap resamples groups.

    Raises:
        ValueError: the shapes do not match, no picture shares a group with a text, or a k is not positive.
    """
    ks = sorted(set(k_values))
    if not ks or ks[0] < 1:
        raise ValueError(f"k must be 1 or more, not {list(k_values)}")
    images, texts = (functional.normalize(side.detach().cpu().float(), dim=1) for side in (image_embeddings, text_embeddings))
    image_groups, text_groups = image_groups.cpu(), text_groups.cpu()
    pairs = RelevantPairs.of_groups(image_groups, text_groups)
    if not len(pairs.image):
        raise ValueError(f"no pair to evaluate among {len(images)} pictures and {len(texts)} texts")
    by_text, by_image = rank_both_ways(images, texts, pairs)
    groups = torch.unique(image_groups[pairs.image])  # groups present on both sides; every query of either direction is in one
    to_image, drawn_to_image = direction_figures(
        by_text, torch.searchsorted(groups, text_groups[by_text.asked]), ks, resamples=resamples, seed=seed
    )
    to_text, drawn_to_text = direction_figures(
        by_image, torch.searchsorted(groups, image_groups[by_image.asked]), ks, resamples=resamples, seed=seed
    )
    recalls = [*to_image.recall.values(), *to_text.recall.values()]
    low, high = percentiles(drawn_to_image + drawn_to_text)
    return RetrievalResult(
        text_to_image=to_image,
        image_to_text=to_text,
        recall_sum=Figure(sum(recall.value for recall in recalls), low, high, sum(recall.chance for recall in recalls)),
        alignment=alignment(images, texts, pairs),
        images=space_figures(images, seed=seed),
        texts=space_figures(texts, seed=seed),
        resamples=resamples,
        seed=seed,
    )


def print_metrics(result: RetrievalResult) -> None:
    """Print the metrics as a plain text table, warnings first."""
    print(text_table(result))  # noqa: T201 - its purpose
