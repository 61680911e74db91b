"""The model measured on the collection's own titles: against a slow plain copy, on few items, stopped, and after a change of the model."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crossmodal.errors import QueryError
from crossmodal.progress import Progress, Stopped, ignore_progress
from engine import self_evaluation
from engine.live import LiveApp
from engine.models.trained import TrainedModel
from engine.self_evaluation import evaluate_on_collection, measure_collection
from tests.app_parts import make_live_app, png
from tests.tiny import COLOURS, THINGS, shared_model

KINDS = [(colour, thing) for colour in COLOURS for thing in THINGS]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return shared_model().save(tmp_path_factory.mktemp("model") / "model.pth")


@pytest.fixture
def app(tmp_path: Path, model: TrainedModel) -> Iterator[LiveApp]:
    app = make_live_app(tmp_path, model)
    yield app
    app.close()


def fill(app: LiveApp, each: int = 2) -> None:
    for seed in range(each):
        for colour, thing in KINDS:
            app.add_new_item(png(colour, thing, seed), f"{colour} {thing}" if seed % 2 else f"A {thing} in {colour}")


@pytest.mark.slow
def test_recall_against_a_plain_copy(app: LiveApp) -> None:
    fill(app)
    app.add_new_item(png("red", "disc", 77))  # without a word: neither asked nor searched
    model, items = app.generation().model, [item for item in app.page(100) if item.title]
    pictures = np.stack([app.store.embeddings.get(item.item_id, model.model_id) for item in items]).astype(np.float64)
    titles = [item.title for item in items]
    scores = model.encode_texts(titles).astype(np.float64) @ pictures.T
    same = [[set(one.lower().split()) - {"a", "in"} == set(two.lower().split()) - {"a", "in"} for two in titles] for one in titles]
    ranks = []
    for query, right in zip(scores, np.array(same), strict=True):
        best = query[right].max()
        ranks.append(1 + int((query[~right] >= best - 1e-6).sum()))
    found = measure_collection(app, ignore_progress).text_to_image
    assert (found.queries, found.gallery) == (20, 20)
    for k in (1, 5, 10):
        assert found.recall[k].value == pytest.approx(np.mean(np.array(ranks) <= k))
    assert found.recall[1].chance == pytest.approx(0.1)


@pytest.mark.slow
def test_items_are_sampled_by_hash_and_the_same_each_time(app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(app)
    monkeypatch.setattr(self_evaluation, "MOST_ITEMS", 12)
    once, again = (evaluate_on_collection(app, ignore_progress) for _ in range(2))
    assert (once.items, once.collection) == (12, 20)
    assert once.result.to_dict() == again.result.to_dict()


def test_too_few_titles_are_one_sentence(app: LiveApp) -> None:
    app.add_new_item(png("red", "disc", 1), "red disc")
    with pytest.raises(QueryError, match="has 1 pictures with a title; an evaluation needs 10"):
        measure_collection(app, ignore_progress)


def test_captions_that_are_shared_in_part_count_for_their_own_item(app: LiveApp) -> None:
    for number, (colour, thing) in enumerate(KINDS):
        app.add_new_item(png(colour, thing, number), captions=(f"{colour} {thing}", "a thing"))
    found = measure_collection(app, ignore_progress)
    assert (found.text_to_image.queries, found.image_to_text.gallery) == (20, 20)
    assert found.text_to_image.recall[1].value <= 0.5 + 0.05, "the same words are asked ten times and right at most once"


def test_a_stop_leaves_no_figures(app: LiveApp) -> None:
    fill(app)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        evaluate_on_collection(app, ignore_progress, stop)


@pytest.mark.slow
def test_the_app_measures_in_the_background_and_forgets_with_the_model(app: LiveApp) -> None:
    fill(app)
    assert app.collection_metrics() is None
    told: list[Progress] = []
    app.start_measuring()
    status = app.jobs.wait(60)
    assert status is not None
    assert status.state == "done", status.message
    assert "20 pictures" in status.message
    figures = app.collection_metrics()
    assert figures is not None
    assert figures.model_id == app.generation().model.model_id
    assert not figures.picture_only
    evaluate_on_collection(app, told.append)
    assert told[-1].step == "measure"
    app._collection_metrics = self_evaluation.CollectionMetrics("another", 20, 20, False, 0.0, figures.result)
    assert app.collection_metrics() is None


@pytest.mark.slow
def test_a_model_that_reads_titles_is_asked_by_pictures_alone(app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(app)
    plain = measure_collection(app, ignore_progress)
    monkeypatch.setattr(self_evaluation, "reads_titles", lambda model: True)
    monkeypatch.setattr(app.store.embeddings, "get", lambda *asked: pytest.fail("the stored embedding says the title"))
    alone = evaluate_on_collection(app, ignore_progress)
    assert alone.picture_only
    assert alone.result.text_to_image.recall[10].value == pytest.approx(plain.text_to_image.recall[10].value, abs=0.11)
