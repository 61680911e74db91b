"""Evaluate the active model on the collection: its titles and captions are the ground truth, in both directions."""

import heapq
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from crossmodal.errors import QueryError
from crossmodal.evaluation.evaluator import evaluate_groups
from crossmodal.evaluation.result import RetrievalResult
from crossmodal.items import Embedding, Item, texts_of
from crossmodal.progress import OnProgress, Progress, check_stop
from crossmodal.text.cleaning import title_key
from engine.core import SearchEngine
from engine.encoding import encoded_texts, reads_titles
from engine.models.generations import Generation

MOST_ITEMS = 5_000
FEWEST_ITEMS = 10
_PAGE = 1_000
_REPORT_EVERY = 64
_TEXTS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class CollectionMetrics:
    """An evaluation of one model on the collection at a given time.

    Attributes:
        items: number of items with text that were used, of `collection` in total.
        picture_only: whether pictures were encoded without titles because the model embeds both, which would leak the answer.
        measured_at: Unix time in seconds.
    """

    model_id: str
    items: int
    collection: int
    picture_only: bool
    measured_at: float
    result: RetrievalResult


def evaluate_on_collection(app: SearchEngine, on_progress: OnProgress, stop: threading.Event | None = None) -> CollectionMetrics:
    """Run `measure_collection` and describe what was evaluated. Raises the same."""
    model, total = app.generation().model, app.count()
    result = measure_collection(app, on_progress, stop)
    return CollectionMetrics(
        model_id=model.model_id,
        items=result.image_to_text.queries,
        collection=total,
        picture_only=reads_titles(model),
        measured_at=time.time(),
        result=result,
    )


def measure_collection(app: SearchEngine, on_progress: OnProgress, stop: threading.Event | None = None) -> RetrievalResult:
    """Search every text among the pictures and every picture among the texts, for at most 5,000 items.

    Items are sampled by picture hash, so that the same collection is always evaluated on the same items. Items with the same text form
    one group: any of them is correct. If items share only some of their captions, the others count as wrong, which can only lower the
    result.

    Raises:
        QueryError: `bad_request`: fewer than ten items with text. Stopped: `stop` was set. StoreError: the store cannot be read.
    """
    generation = app.generation()
    items = _sample(app, stop)
    if len(items) < FEWEST_ITEMS:
        raise QueryError(
            "bad_request",
            f"The collection has {len(items)} pictures with a title; an evaluation needs {FEWEST_ITEMS}.",
            remedy="Add titles, or more pictures with titles.",
        )
    on_progress(Progress("measure", "Reading the pictures", total=len(items)))
    pictures = dict(_pictures(app, generation, items, on_progress, stop))
    said = {item.item_id: texts_of(item.title, item.captions) for item in items if item.item_id in pictures}
    texts = _texts(generation, [text for each in said.values() for text in each], on_progress, stop)
    groups = _groups({item_id: tuple(text for text in each if text in texts) for item_id, each in said.items()})
    pairs = list(dict.fromkeys((groups[item_id], text) for item_id, each in said.items() for text in each if text in texts))
    if not pairs:
        raise QueryError("bad_request", "No title of the collection has a word the model knows.", remedy="Add titles.")
    on_progress(Progress("measure", "Comparing every title with every picture"))
    check_stop(stop, "Measuring")
    asked = [item_id for item_id in pictures if item_id in groups]
    return evaluate_groups(
        torch.from_numpy(np.stack([pictures[item_id] for item_id in asked])),
        torch.from_numpy(np.stack([texts[text] for _, text in pairs])),
        torch.tensor([groups[item_id] for item_id in asked]),
        torch.tensor([group for group, _ in pairs]),
    )


def _sample(app: SearchEngine, stop: threading.Event | None) -> list[Item]:
    """At most `MOST_ITEMS` items with text, those with the lowest picture hashes."""

    def titled() -> Iterator[Item]:
        after_id = 0
        while page := app.store.items.page(_PAGE, after_id):
            check_stop(stop, "Measuring")
            yield from (item for item in page if texts_of(item.title, item.captions))
            after_id = page[-1].item_id

    return heapq.nsmallest(MOST_ITEMS, titled(), key=lambda item: (item.content_hash, item.item_id))


def _pictures(
    app: SearchEngine, generation: Generation, items: list[Item], on_progress: OnProgress, stop: threading.Event | None
) -> Iterator[tuple[int, Embedding]]:
    """Picture embeddings by item id; items removed meanwhile are omitted."""
    model, began = generation.model, time.monotonic()
    for done, item in enumerate(items, start=1):
        check_stop(stop, "Measuring")
        try:
            if reads_titles(model):  # the stored embedding includes the title
                pixels = app.encoding.stored_pixels(model, app.store.pictures.rendition(item.item_id))
                yield item.item_id, model.encode_pixels(pixels[None])[0]
            else:
                yield item.item_id, app.store.embeddings.get(item.item_id, model.model_id)
        except QueryError:
            continue  # removed in the meantime
        if done % _REPORT_EVERY == 0:
            left = (time.monotonic() - began) / done * (len(items) - done)
            on_progress(Progress("measure", "Reading the pictures", done=done, total=len(items), seconds_left=left))


def _texts(generation: Generation, texts: list[str], on_progress: OnProgress, stop: threading.Event | None) -> dict[str, Embedding]:
    """Map each distinct text that the model can encode to its embedding."""
    different, found = list(dict.fromkeys(texts)), dict[str, Embedding]()
    for start in range(0, len(different), _TEXTS_AT_ONCE):
        check_stop(stop, "Measuring")
        found |= encoded_texts(generation.model, different[start : start + _TEXTS_AT_ONCE])
        on_progress(
            Progress("measure", "Reading the titles", done=min(start + _TEXTS_AT_ONCE, len(different)), total=len(different))
        )
    return found


def _groups(said: dict[int, tuple[str, ...]]) -> dict[int, int]:
    """Map items to group numbers: items with the same text, ignoring word order and function words. Items without text are omitted."""
    numbers: dict[frozenset[frozenset[str]], int] = {}
    return {
        item_id: numbers.setdefault(frozenset(title_key(text) for text in each), len(numbers))
        for item_id, each in said.items()
        if each
    }
