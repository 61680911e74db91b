"""Evaluation of a model on pictures with captions, in both directions, with reports and plots."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from crossmodal.atomic import write_whole
from crossmodal.evaluation.evaluator import evaluate_bidirectional_retrieval
from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.evaluation.plots import png, rank_distribution, save, score_distribution, similarity_heatmap, training_curves
from crossmodal.evaluation.projections import visualize_embeddings
from crossmodal.evaluation.query_plot import Answer, Match, save_query_pictures
from crossmodal.evaluation.ranking import RelevantPairs, rank_both_ways
from crossmodal.evaluation.report import html_report, json_report, markdown_report
from crossmodal.evaluation.result import RetrievalResult
from crossmodal.evaluation.scores import sampled_scores
from crossmodal.items import Embedding, Pixels
from crossmodal.progress import OnProgress, Progress, ignore_progress
from training.data import TrainingData

_PART = 256


class Encodes(Protocol):
    """A trained model: `engine.models.trained.TrainedModel`."""

    def encode_pixels(self, pixels: Pixels) -> Embedding:
        """Shape: (n, size, size, 3) uint8 → (n, embed_dim) float32, unit length."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Shape: n texts → (n, embed_dim) float32, unit length."""
        ...


def embed_side(
    model: Encodes, data: TrainingData, indices: Sequence[int], on_progress: OnProgress = ignore_progress
) -> tuple[Tensor, Tensor, Tensor]:
    """Embed the pictures at these indices and all their captions.

    Returns:
        Image embeddings (n, embed_dim) float32, text embeddings (m, embed_dim) float32, and for each text the position (m,) int64 of its
        picture among the n.
    """
    images = []
    for start in range(0, len(indices), _PART):
        images.append(model.encode_pixels(data.pixels[list(indices[start : start + _PART])]))
        on_progress(Progress("evaluate", "Embedding the pictures", done=min(start + _PART, len(indices)), total=len(indices)))
    texts = [text for index in indices for text in data.captions[index]]
    owners = [number for number, index in enumerate(indices) for _ in data.captions[index]]
    words = model.encode_texts(texts)
    return torch.from_numpy(np.concatenate(images)), torch.from_numpy(words), torch.tensor(owners)


def evaluate_model(
    model: Encodes, data: TrainingData, indices: Sequence[int], on_progress: OnProgress = ignore_progress, *, seed: int = 0
) -> RetrievalResult:
    """Evaluate both directions among the pictures at these indices; exactly the captions of a picture are relevant to it.

    A hybrid model is evaluated by its image embeddings alone, because the title of an item would be the answer.
    """
    images, texts, owners = embed_side(model, data, indices, on_progress)
    return evaluate_bidirectional_retrieval(images, texts, image_of_text=owners, seed=seed)


def recall_sum(images: Tensor, texts: Tensor, owners: Tensor, *, k_values: Sequence[int] = (1, 5, 10)) -> tuple[float, float]:
    """The validation score: (sum of recall@k of both directions, at most 2 × the number of k; text → image recall@1).

    Shape: images (n, d) and texts (m, d) float32, unit length; owners (m,) int64, the picture of each text.
    """
    pairs = RelevantPairs.of_groups(torch.arange(len(images)), owners)
    by_text, by_image = rank_both_ways(images, texts, pairs)
    total = sum(float((found.best <= k).double().mean()) for found in (by_text, by_image) for k in k_values)
    return total, float((by_text.best <= 1).double().mean())


def held_out_figures(result: RetrievalResult) -> RetrievalFigures:
    """The text → image direction of an evaluation as stored in a model card."""
    direction = result.text_to_image
    recall = direction.recall
    return RetrievalFigures(
        queries=direction.queries,
        gallery=direction.gallery,
        recall_at_1=recall[1].value,
        recall_at_5=recall[5].value,
        recall_at_10=recall[10].value,
        median_rank=direction.median_rank.value,
        mean_reciprocal_rank=direction.mean_reciprocal_rank.value,
        chance_at_1=recall[1].chance,
        chance_at_5=recall[5].chance,
        chance_at_10=recall[10].chance,
    )


EXAMPLE_QUERIES = (
    "people on the beach",
    "a child climbing stairs",
    "a dog running through water",
    "city skyline at night",
    "mountain landscape with lake",
)
"""The queries of reference system 001."""

TOP = 5


def draw_all(
    model: Encodes,
    data: TrainingData,
    indices: Sequence[int],
    folder: Path,
    *,
    queries: Sequence[str] = EXAMPLE_QUERIES,
    method: str = "pca",
    history: Sequence[dict[str, object]] = (),
    on_progress: OnProgress = ignore_progress,
) -> list[Path]:
    """Write all plots to a folder and return their paths.

    `query_1.png` … and `top_matches_grid.png`, `embeddings_METHOD.png`, `similarity_matrix.png`, `rank_distribution.png`,
    `score_distribution.png`, and `training_curves.png` if there is a history.

    Raises:
        QueryError: the method needs a package that is not installed. StoreError: the folder cannot be written.
    """
    images, texts, owners = embed_side(model, data, indices, on_progress)
    paths = save_query_pictures(folder, answers_to(queries, model, data, indices, images))
    first = torch.tensor([int((owners == number).nonzero()[0, 0]) for number in range(len(indices))])
    names = [data.captions[index][0] for index in indices]
    visualize_embeddings(images, texts, method, folder / f"embeddings_{method}.png", image_of_text=owners)
    figures: dict[str, Figure] = {
        "similarity_matrix": similarity_heatmap(images, texts[first], names),
        "rank_distribution": rank_distribution(evaluate_bidirectional_retrieval(images, texts, image_of_text=owners)),
        "score_distribution": score_distribution(*sampled_scores(images, texts, torch.arange(len(indices)), owners)),
    }
    if history:
        figures["training_curves"] = training_curves(history)
    return [
        *paths,
        folder / f"embeddings_{method}.png",
        *(save(figure, folder / f"{name}.png") for name, figure in figures.items()),
    ]


def answers_to(queries: Sequence[str], model: Encodes, data: TrainingData, indices: Sequence[int], images: Tensor) -> list[Answer]:
    """The best pictures for each query; a picture is marked as correct if the query is one of its captions."""
    scores = torch.from_numpy(model.encode_texts(list(queries))) @ images.T
    found = []
    for query, row in zip(queries, scores, strict=True):
        best = row.topk(min(TOP, len(indices)))
        known = any(query in data.captions[index] for index in indices)
        matches = []
        for score, number in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            index = indices[number]
            right = query in data.captions[index] if known else None
            matches.append(Match(data.pixels[index], score, data.captions[index][0], right))
        found.append(Answer(query, matches))
    return found


def write_report(folder: Path, result: RetrievalResult, *, title: str, about: dict[str, str]) -> None:
    """Write `evaluation.json`, `evaluation.md` and `evaluation.html` to a folder."""
    pages = {
        "evaluation.json": json_report(result),
        "evaluation.md": markdown_report(result, title=title),
        "evaluation.html": html_report(
            result, title=title, about=about, plots=[("Ranks of the right answers", png(rank_distribution(result)))]
        ),
    }
    for name, text in pages.items():
        write_whole(folder / name, text.encode("utf-8"))
