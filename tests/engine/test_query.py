"""One query against a slow plain copy: equal pictures, the picture searched with, pages, and what is refused."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_logic import LostFoundApp
from crossmodal.errors import QueryError
from crossmodal.items import NewItem, SearchResult
from engine.query import Query, validated
from tests.app_parts import LIMITS, make_app, png
from tests.tiny import shared_model

PICTURES = [("red", "disc"), ("blue", "bar"), ("green", "disc"), ("red", "bar")]
COPIES = (1, 12, 3, 1)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LostFoundApp]:
    """Four pictures, of which some are those of several items."""
    folder = tmp_path_factory.mktemp("app")
    app = make_app(folder, shared_model().save(folder / "model.pth"))
    model = app.generation().model
    for number, (colour, thing) in enumerate(PICTURES):
        picture = app.look_at(png(colour, thing, number))
        embedding = model.encode_pixels(picture.pixels[None])[0]
        for copy in range(COPIES[number]):
            new = NewItem(f"{number}/{copy}", f"{colour} {thing} {copy}", picture, embedding, attributes={"copy": str(copy % 2)})
            app.store.items.add(new, model_id=model.model_id)
    yield app
    app.close()


def plain(app: LostFoundApp, query: Query) -> list[SearchResult]:
    """Every item in order, then what the query leaves out."""
    everything = replace(query, top_k=50, offset=0, collapse_duplicates=False, include_self=True)
    ranked = app.search(everything).results
    own = ""
    if query.item_id is not None:
        own = app.item(query.item_id).content_hash
    elif query.image is not None:
        own = app.look_at(query.image).content_hash
    kept: list[SearchResult] = []
    for result in ranked:
        if result.item.content_hash == own and not query.include_self:
            continue
        if query.collapse_duplicates and result.item.content_hash in {other.item.content_hash for other in kept}:
            continue
        kept.append(replace(result, rank=len(kept) + 1))
    return kept[query.offset : query.offset + query.top_k]


SUBJECTS = st.sampled_from(
    [
        Query("red disc"),
        Query("blue"),
        Query(image=png("blue", "bar", 1)),
        Query(image=png("red", "disc", 77)),
        Query("green", png("green", "disc", 2), weight=0.6),
        Query(item_id=5),
        Query("bar", item_id=1),
    ]
)


@settings(deadline=None)
@given(SUBJECTS, st.integers(1, 20), st.integers(0, 18), st.booleans(), st.booleans(), st.sampled_from([None, {"copy": "0"}]))
def test_a_query_against_a_plain_copy(
    app: LostFoundApp, subject: Query, top_k: int, offset: int, collapse: bool, include: bool, where: dict[str, str] | None
) -> None:
    query = replace(subject, top_k=top_k, offset=offset, collapse_duplicates=collapse, include_self=include, where=where)
    assert app.search(query).results == plain(app, query)


def test_pages_follow_one_another(app: LostFoundApp) -> None:
    whole = Query("red disc", top_k=17, collapse_duplicates=False)
    pages = [app.search(replace(whole, top_k=4, offset=start)).results for start in range(0, 20, 4)]
    assert [result for page in pages for result in page] == app.search(whole).results
    assert [len(page) for page in pages] == [4, 4, 4, 4, 1]


def test_what_is_left_out_is_named(app: LostFoundApp) -> None:
    answer = app.search(Query(image=png("blue", "bar", 1)))
    assert {item.title for item in answer.hidden} == {f"blue bar {copy}" for copy in range(12)}
    assert len(answer.results) == 3
    assert app.search(Query(image=png("blue", "bar", 1), include_self=True)).hidden == []
    assert app.search(Query("blue bar")).hidden == []
    assert app.search_by_image(png("blue", "bar", 1), 1)[0].score == pytest.approx(1.0, abs=1e-3)


def test_many_queries_of_all_kinds_are_answered_as_each_alone(app: LostFoundApp) -> None:
    queries = [
        Query("red disc", where={"copy": "1"}),
        Query(image=png("red", "bar", 9), top_k=2),
        Query("blue", item_id=2, offset=1),
        Query("red disc", top_k=1),
        Query("blue bar", where={"copy": ["1"]}, min_score=0.1),
    ]
    for query, answer in zip(queries, app.search_many(queries), strict=True):
        alone = app.search(query).results
        assert [result.item for result in answer.results] == [result.item for result in alone]
        assert [result.score for result in answer.results] == pytest.approx([result.score for result in alone], abs=1e-5)
    assert app.search_many([]) == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (Query(), "Neither a text nor a picture"),
        (Query(image=b"x", item_id=1), "A picture and an item"),
        (Query(item_id=True), "not True"),
        (Query(item_id="7"), "not '7'"),
        (Query("red", offset=-1), "offset must be a whole number from 0 to 10000, not -1"),
        (Query("red", offset=10_001), "not 10001"),
        (Query("red", offset=1.5), "not 1.5"),
    ],
)
def test_an_impossible_query_is_refused(query: Query, names: str) -> None:
    with pytest.raises(QueryError, match=names) as raised:
        validated(query, LIMITS)
    assert raised.value.code == "bad_request"


def test_a_valid_query_stays_as_it_is() -> None:
    once = validated(Query("  red\tdisc "), LIMITS)
    assert once.text == "red disc"
    assert validated(once, LIMITS) is once
