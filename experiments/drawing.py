"""Pictures of a model: what it finds for some queries, its space, its scores, its ranks and its training."""

from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from crossmodal.evaluation.evaluator import evaluate_bidirectional_retrieval
from crossmodal.evaluation.plots import rank_distribution, score_distribution, similarity_heatmap, training_curves
from crossmodal.evaluation.projections import visualize_embeddings
from crossmodal.evaluation.query_pictures import Answer, Match, save_query_pictures
from crossmodal.evaluation.scores import sampled_scores
from crossmodal.evaluation.style import save
from crossmodal.progress import OnProgress, ignore_progress
from engine.trained_model import TrainedModel
from experiments.data import TrainingData
from experiments.measuring import embed_side

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
    model: TrainedModel,
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


def answers_to(
    queries: Sequence[str], model: TrainedModel, data: TrainingData, places: Sequence[int], images: Tensor
) -> list[Answer]:
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
