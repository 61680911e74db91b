"""A model measured on pictures with captions: embeddings of both sides, and every figure of both directions."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from crossmodal.evaluation.evaluator import evaluate_bidirectional_retrieval
from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.evaluation.ranking import RelevantPairs, rank_both_ways
from crossmodal.evaluation.result import RetrievalResult
from crossmodal.progress import OnProgress, Progress, ignore_progress
from engine.trained_model import TrainedModel
from experiments.data import TrainingData

_PART = 256


def embed_side(
    model: TrainedModel, data: TrainingData, places: Sequence[int], on_progress: OnProgress = ignore_progress
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
    model: TrainedModel, data: TrainingData, places: Sequence[int], on_progress: OnProgress = ignore_progress, *, seed: int = 0
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
