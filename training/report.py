"""A model measured on pictures with captions: embeddings of both sides, and every figure of both directions."""

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
        """Shape: (n, size, size, 3) uint8 → (n, embed_dim) float32 of length 1."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Shape: n texts → (n, embed_dim) float32 of length 1."""
        ...


def embed_side(
    model: Encodes, data: TrainingData, places: Sequence[int], on_progress: OnProgress = ignore_progress
) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures at these places and all their captions, as the model answers in use.

    Returns:
        image embeddings (n, embed_dim), text embeddings (m, embed_dim), and for each text the number (m,) of its picture among the n.
    """
    images = []
    for start in range(0, len(places), _PART):
        images.append(model.encode_pixels(data.pixels[list(places[start : start + _PART])]))
        on_progress(Progress("evaluate", "Embedding the pictures", done=min(start + _PART, len(places)), total=len(places)))
    texts = [text for place in places for text in data.captions[place]]
    owners = [number for number, place in enumerate(places) for _ in data.captions[place]]
    words = model.encode_texts(texts)
    return torch.from_numpy(np.concatenate(images)), torch.from_numpy(words), torch.tensor(owners)


def evaluate_model(
    model: Encodes, data: TrainingData, places: Sequence[int], on_progress: OnProgress = ignore_progress, *, seed: int = 0
) -> RetrievalResult:
    """Both directions among the pictures at these places; any of a picture's captions is a right answer, another picture's is none.

    Pictures are found by what they show alone, also where the model's items are found by their titles too: the title would be the answer.
    """
    images, texts, owners = embed_side(model, data, places, on_progress)
    return evaluate_bidirectional_retrieval(images, texts, image_of_text=owners, seed=seed)


def recall_sum(images: Tensor, texts: Tensor, owners: Tensor, *, k_values: Sequence[int] = (1, 5, 10)) -> tuple[float, float]:
    """(sum of recall@k of both directions, at most 2 × the number of k; text → image recall@1): what a training is steered by.

    Shape: images (n, d), texts (m, d), both of length 1; owners (m,) int64, the picture of each text.
    """
    pairs = RelevantPairs.of_groups(torch.arange(len(images)), owners)
    by_text, by_image = rank_both_ways(images, texts, pairs)
    total = sum(float((found.best <= k).double().mean()) for found in (by_text, by_image) for k in k_values)
    return total, float((by_text.best <= 1).double().mean())


def held_out_figures(result: RetrievalResult) -> RetrievalFigures:
    """Text → image of an evaluation in the form that a model's card keeps."""
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


QUERIES = (
    "people on the beach",
    "a child climbing stairs",
    "a dog running through water",
    "city skyline at night",
    "mountain landscape with lake",
)
"""The five of reference system 001."""

TOP = 5


def draw_all(
    model: Encodes,
    data: TrainingData,
    places: Sequence[int],
    folder: Path,
    *,
    queries: Sequence[str] = QUERIES,
    method: str = "pca",
    history: Sequence[dict[str, object]] = (),
    told: OnProgress = ignore_progress,
) -> list[Path]:
    """Write every picture into a folder and answer the paths.

    `query_1.png` … and `top_matches_grid.png`, `embeddings_METHOD.png`, `similarity_matrix.png`, `rank_distribution.png`,
    `score_distribution.png`, and `training_curves.png` where there is a history.

    Raises:
        QueryError: the method needs a package that is not here. StoreError: the folder cannot be written.
    """
    images, texts, owners = embed_side(model, data, places, told)
    paths = save_query_pictures(folder, answers_to(queries, model, data, places, images))
    first = torch.tensor([int((owners == number).nonzero()[0, 0]) for number in range(len(places))])
    names = [data.captions[place][0] for place in places]
    visualize_embeddings(images, texts, method, folder / f"embeddings_{method}.png", image_of_text=owners)
    figures: dict[str, Figure] = {
        "similarity_matrix": similarity_heatmap(images, texts[first], names),
        "rank_distribution": rank_distribution(evaluate_bidirectional_retrieval(images, texts, image_of_text=owners)),
        "score_distribution": score_distribution(*sampled_scores(images, texts, torch.arange(len(places)), owners)),
    }
    if history:
        figures["training_curves"] = training_curves(history)
    return [
        *paths,
        folder / f"embeddings_{method}.png",
        *(save(figure, folder / f"{name}.png") for name, figure in figures.items()),
    ]


def answers_to(queries: Sequence[str], model: Encodes, data: TrainingData, places: Sequence[int], images: Tensor) -> list[Answer]:
    """The best pictures for each query; a picture is marked as right when one of its captions is the very query."""
    scores = torch.from_numpy(model.encode_texts(list(queries))) @ images.T
    found = []
    for query, row in zip(queries, scores, strict=True):
        best = row.topk(min(TOP, len(places)))
        known = any(query in data.captions[place] for place in places)
        matches = []
        for score, number in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            place = places[number]
            right = query in data.captions[place] if known else None
            matches.append(Match(data.pixels[place], score, data.captions[place][0], right))
        found.append(Answer(query, matches))
    return found


def write_report(folder: Path, result: RetrievalResult, *, title: str, about: dict[str, str]) -> None:
    """`evaluation.json`, `evaluation.md` and `evaluation.html` in a folder."""
    pages = {
        "evaluation.json": json_report(result),
        "evaluation.md": markdown_report(result, title=title),
        "evaluation.html": html_report(
            result, title=title, about=about, plots=[("Ranks of the right answers", png(rank_distribution(result)))]
        ),
    }
    for name, text in pages.items():
        write_whole(folder / name, text.encode("utf-8"))
