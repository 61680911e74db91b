"""Filters, lowest scores, both kinds of query at once, and many queries in one call."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app_logic import LostFoundApp
from crossmodal.errors import BusyError, QueryError
from crossmodal.items import NewItem, SearchResult
from engine.models.trained import TrainedModel
from engine.query import Query, Signal, validated
from engine.search import fused, without_model
from tests.app_parts import LIMITS, make_app, png
from tests.tiny import COLOURS, THINGS, shared_model

KINDS = [(colour, thing) for colour in COLOURS for thing in THINGS]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return shared_model().save(tmp_path_factory.mktemp("model") / "model.pth")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, model: TrainedModel) -> Iterator[LostFoundApp]:
    app = make_app(tmp_path_factory.mktemp("app"), model)
    for i, (colour, thing) in enumerate(KINDS):
        app.add_new_item(png(colour, thing, i), f"{colour} {thing}", attributes={"colour": colour, "thing": thing})
    yield app
    app.close()


def ids(results: list[SearchResult]) -> list[int]:
    return [result.item.item_id for result in results]


def test_a_filter_leaves_the_same_order_among_fewer(app: LostFoundApp) -> None:
    everything = app.search_by_text("red disc", 50)
    for where in ({"colour": "red"}, {"colour": ["red", "blue"], "thing": "disc"}, {"catalogue": "added"}, {"colour": "none"}):
        wanted = [
            result
            for result in everything
            if all({**result.item.attributes, "catalogue": "added"}[name] in values for name, values in where.items())
        ]
        results = app.search_by_text("red disc", 50, where=where)
        assert ids(results) == ids(wanted)
        assert [result.rank for result in results] == list(range(1, len(wanted) + 1))


def test_every_search_takes_a_filter_and_a_lowest_score(app: LostFoundApp) -> None:
    data, item_id = png("red", "disc", 0), app.search_by_text("blue bar", 1)[0].item.item_id
    picture = app.look_at(data)
    for search in (
        lambda **rest: app.search_by_text("red disc", 50, **rest),
        lambda **rest: app.search_by_texts(["red disc"], 50, **rest)[0],
        lambda **rest: app.search_by_image(data, 50, **rest),
        lambda **rest: app.search_by_picture(picture, 50, **rest),
        lambda **rest: app.search_by_item(item_id, 50, **rest),
        lambda **rest: app.search_by_both("red disc", data, 50, **rest),
        lambda **rest: app.search_by_query_and_picture("red disc", picture, 50, **rest),
    ):
        found = search()
        least = found[2].score
        kept = [result for result in found if result.score >= least]
        assert search(min_score=least) == [replace(result, rank=rank) for rank, result in enumerate(kept, start=1)]
        assert search(min_score=-1) == found
        assert {result.item.attributes["thing"] for result in search(where={"thing": "disc"})} == {"disc"}
        for wrong in (
            {"min_score": 1.01},
            {"min_score": "0.5"},
            {"min_score": float("nan")},
            {"min_score": True},
            {"where": "red"},
        ):
            with pytest.raises(QueryError) as raised:
                search(**wrong)
            assert raised.value.code == "bad_request"
            assert f"{next(iter(wrong.values()))!r}" in str(raised.value)


def test_a_filter_sees_what_changed_a_moment_ago(app: LostFoundApp) -> None:
    item_id = app.search_by_text("red disc", 1, where={"colour": "red", "thing": "disc"})[0].item.item_id
    assert app.search_by_text("red disc", where={"mark": "new"}) == []
    app.update_item(item_id, attributes={"colour": "red", "thing": "disc", "mark": "new"})
    assert ids(app.search_by_text("red disc", where={"mark": "new"})) == [item_id]
    app.update_item(item_id, attributes={"colour": "red", "thing": "disc"})
    assert app.search_by_text("red disc", where={"mark": "new"}) == []


def test_many_queries_are_answered_as_each_alone(app: LostFoundApp) -> None:
    queries = [f"{colour} {thing}" for colour, thing in KINDS]
    together = app.search_by_texts(queries, 4)
    for query, results in zip(queries, together, strict=True):
        alone = app.search_by_text(query, 4)
        assert ids(results) == ids(alone)
        assert [result.score for result in results] == pytest.approx([result.score for result in alone], abs=1e-5)
    assert app.search_by_texts([]) == []


@pytest.mark.parametrize(
    ("queries", "code"),
    [
        (["red", ""], "text_empty"),
        (["red", "x" * 201], "text_too_long"),
        (["red", 3], "bad_request"),
        ("red", "bad_request"),
        (None, "bad_request"),
        (["red"] * (LIMITS.max_queries + 1), "bad_request"),
    ],
)
def test_one_impossible_query_refuses_all(app: LostFoundApp, queries: list[str], code: str) -> None:
    with pytest.raises(QueryError) as raised:
        app.search_by_texts(queries)
    assert raised.value.code == code


def test_both_ends_of_the_weight_are_the_search_by_one(app: LostFoundApp) -> None:
    data = png("blue", "bar", 900)
    for weight, alone in ((0, app.search_by_text("red disc", 50)), (1.0, app.search_by_image(data, 50))):
        results = app.search_by_both("red disc", data, 50, weight=weight)
        assert ids(results) == ids(alone)
        assert [result.score for result in results] == pytest.approx([result.score for result in alone], abs=1e-5)
    middle = app.search_by_both("red disc", data, 50)
    assert middle == app.search_by_query_and_picture("red disc", app.look_at(data), 50, weight=0.5)
    model = app.generation().model
    query = model.encode_texts(["red disc"])[0] + model.encode_pixels(app.look_at(data).pixels[None])[0]
    best = app.store.embeddings.get(middle[0].item.item_id, model.model_id)
    assert middle[0].score == pytest.approx(float(best @ query / np.linalg.norm(query)), abs=1e-5)


@pytest.mark.parametrize("weight", [-0.1, 1.1, "0.5", None, True, float("inf")])
def test_an_impossible_weight_is_refused(app: LostFoundApp, weight: float) -> None:
    with pytest.raises(QueryError, match="from 0 to 1") as raised:
        app.search_by_both("red disc", png("red", "disc", 1), weight=weight)
    assert raised.value.code == "bad_request"


def test_fusion_against_a_plain_copy() -> None:
    random = np.random.default_rng(1)
    for weight in (0.0, 0.2, 0.5, 1.0):
        text, image = (row / np.linalg.norm(row) for row in random.standard_normal((2, 8)).astype(np.float32))
        mixed = [(1 - weight) * a + weight * b for a, b in zip(text.tolist(), image.tolist(), strict=True)]
        length = sum(value * value for value in mixed) ** 0.5
        np.testing.assert_allclose(fused(text, image, weight), [value / length for value in mixed], atol=1e-6)
    with pytest.raises(QueryError, match="cancel out"):
        fused(text, -text, 0.5)


def test_an_empty_collection_answers_nothing(tmp_path: Path, model: TrainedModel) -> None:
    """An empty collection: every search with every term answers nothing."""
    app = make_app(tmp_path, model)
    assert app.search_by_text("red", where={"a": "b"}, min_score=0.5) == []
    assert app.search_by_texts(["red", "blue"]) == [[], []]
    assert app.search_by_both("red", png("red", "disc", 1)) == []
    app.close()


def found(app: LostFoundApp, query: Query) -> list[tuple[int, float, str]]:
    return [(result.item.item_id, result.score, result.found_by) for result in app.search(query).results]


def test_a_whole_title_comes_first_and_what_found_it_is_said(app: LostFoundApp) -> None:
    for item in app.store.items.page(9):
        best, *others = app.search_by_text(f"{item.title.upper()}!", 50)
        assert best.item.title == item.title
        assert best.found_by == "both"
        assert {result.found_by for result in others} <= {"words", "both", "likeness"}


@pytest.mark.parametrize("words", ["qwxzv blorpt", "the", "🐶"])
def test_words_that_no_item_has_change_nothing(app: LostFoundApp, words: str) -> None:
    joined = found(app, Query(words, top_k=50))
    assert joined == found(app, Query(words, top_k=50, signal="likeness"))
    assert {by for _, _, by in joined} == {"likeness"}
    assert found(app, Query(words, top_k=50, signal="words")) == []


def test_words_alone_find_what_has_them(app: LostFoundApp) -> None:
    results = app.search(Query("red", top_k=50, signal="words")).results
    assert results
    assert all("red" in result.item.title and result.found_by == "words" for result in results)
    scores = {item_id: score for item_id, score, _ in found(app, Query("red", top_k=50, signal="likeness"))}
    assert all(result.score == scores[result.item.item_id] for result in results)


@pytest.mark.parametrize("signal", ["joined", "words", "likeness"])
@pytest.mark.parametrize("where", [None, {"colour": ["red", "blue"]}])
def test_pages_are_slices_of_one_ranking(app: LostFoundApp, signal: Signal, where: dict[str, list[str]] | None) -> None:
    query = Query("red disc or a bar", where=where, top_k=50, signal=signal, collapse_duplicates=False)
    whole = found(app, query)
    pages = [found(app, replace(query, top_k=3, offset=offset)) for offset in range(0, len(whole) + 3, 3)]
    assert [hit for page in pages for hit in page] == whole
    if where:
        assert {app.item(item_id).attributes["colour"] for item_id, _, _ in whole} <= {"red", "blue"}


def test_a_picture_has_no_words(app: LostFoundApp) -> None:
    data = png("red", "disc", 0)
    assert found(app, Query(image=data, signal="words")) == found(app, Query(image=data, signal="likeness"))
    for weight in (0.5, 1.0):
        by = {by for _, _, by in found(app, Query("red disc", data, weight=weight, top_k=50))}
        assert by == ({"likeness"} if weight == 1.0 else {"both", "words", "likeness"} & by)


def test_an_unknown_signal_is_refused(app: LostFoundApp) -> None:
    with pytest.raises(QueryError, match="There is no signal 'smell'") as raised:
        app.search(Query("red", signal="smell"))  # type: ignore[arg-type]
    assert raised.value.code == "bad_request"


def test_items_without_an_embedding_are_found_by_their_words(tmp_path: Path) -> None:
    with closing(make_app(tmp_path, shared_model())) as app:
        app.add_new_item(png("red", "disc", 0), "red disc")
        other = app.add_new_item(png("blue", "bar", 0), "a kettle").item
        with app.store._database.writing() as db:  # as an item that another model has looked at, and this one not yet
            db.execute("DELETE FROM embeddings WHERE item_id = ?", (other.item_id,))
        app.generation().index.rebuild()
        best = app.search_by_text("kettle", 5)[0]
        assert (best.item.item_id, best.score, best.found_by) == (other.item_id, 0.0, "words")
        assert app.search(Query("kettle", min_score=-1.0)).results[0].item.item_id != other.item_id
        assert [result.item.item_id for result in app.search(Query("kettle", signal="words")).results] == [other.item_id]


def test_before_there_is_a_model_words_are_searched_all_the_same(app: LostFoundApp) -> None:
    query = validated(Query("red disc", top_k=3, where={"colour": ["red", "blue"]}), LIMITS)
    results = without_model(app.store, query).results
    assert [(result.rank, result.score, result.found_by) for result in results] == [(n, 0.0, "words") for n in (1, 2, 3)]
    assert results[0].item.title == "red disc"
    assert {result.item.attributes["colour"] for result in results} == {"red", "blue"}
    further = without_model(app.store, replace(query, offset=2, top_k=1)).results
    assert [result.item for result in further] == [results[2].item]
    assert without_model(app.store, replace(query, min_score=0.0)).results == []
    with pytest.raises(BusyError):
        without_model(app.store, validated(Query(item_id=1), LIMITS))


def test_of_items_with_the_same_picture_words_show_one_as_well(tmp_path: Path) -> None:
    with closing(make_app(tmp_path, shared_model())) as app:
        for number in range(12):
            picture = app.look_at(png("red", "disc", number // 6))
            entry = NewItem(f"{number}", "red disc", picture, app.generation().model.encode_pixels(picture.pixels[None])[0])
            app.store.items.add(replace(entry, attributes={"number": str(number)}), model_id=app.generation().model.model_id)
        query = Query("red disc", top_k=2)
        for signal in ("joined", "words", "likeness"):
            results = app.search(replace(query, signal=signal)).results
            assert len({result.item.content_hash for result in results}) == len(results) == 2
        assert len(without_model(app.store, validated(query, LIMITS)).results) == 2
