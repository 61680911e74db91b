"""Both directions of retrieval between pictures and texts, with intervals, chance and the shape of the space."""

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
        image_embeddings: (n, d), any floating type; brought to length 1 here.
        text_embeddings: (m, d), alike.
        k_values: the k of recall@k, positive.
        image_of_text: (m,) int64 in 0..n-1, which picture each text describes. None: texts come in order, m / n for each picture.
        resamples: draws for the 95 % intervals.
        seed: of these draws.

    Returns:
        Figures of both directions. A picture without a text is not asked for its texts, but stays among the pictures searched.

    Raises:
        ValueError: shapes do not fit, there is no picture or no text, m is no multiple of n, or a k is not positive.
    """
    n, m = len(image_embeddings), len(text_embeddings)
    if image_of_text is None:
        if n == 0 or m == 0 or m % n:
            raise ValueError(f"{m} texts are not the same number for each of {n} pictures: name image_of_text")
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
    """The same where several pictures may be right: pictures and texts of one group, such as one title, are relevant to each other.

    Shape:
        image_groups: (n,) int64; text_groups: (m,) int64, any numbers. Resampled are groups.

    Raises:
        ValueError: shapes do not fit, no picture shares a group with a text, or a k is not positive.
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
    groups = torch.unique(image_groups[pairs.image])  # those of both sides: every query of either direction is in one
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
    """Print the figures as a table of plain text, warnings first."""
    print(text_table(result))  # noqa: T201 - printing is all it is for
