"""Two rankings in one: nothing changes without words, whole titles come first, and pages are slices of one ranking."""

from hypothesis import given
from hypothesis import strategies as st

from crossmodal.items import WordHit
from crossmodal.ranking.fusion import Found, by_words, joined, nearest_of

COSINES = st.floats(-1.0, 1.0).map(lambda cosine: round(cosine, 9))


@st.composite
def rankings(draw: st.DrawFn) -> tuple[list[tuple[int, float]], list[WordHit], dict[int, float]]:
    """Likeness of up to 30 items, words of some, of which a few have no embedding; and the cosines of those with words."""
    cosines = dict(enumerate(draw(st.lists(COSINES, max_size=30)), start=1))
    likeness = sorted(cosines.items(), key=lambda hit: (-hit[1], hit[0]))
    ids = draw(st.lists(st.integers(1, 35), unique=True, max_size=10))
    words = [
        WordHit(item_id, draw(st.floats(0.01, 20.0)), *draw(st.sampled_from([(False, False), (True, False), (True, True)])))
        for item_id in ids
    ]
    return likeness, words, {item_id: cosines[item_id] for item_id in ids if item_id in cosines}


def ids(found: list[Found]) -> list[int]:
    return [each.item_id for each in found]


@given(rankings(), st.floats(0.0, 1.0))
def test_every_item_has_one_place(ranking: tuple, share: float) -> None:
    likeness, words, cosines = ranking
    found = joined(likeness, words, cosines, nearest=10, has_rest=False, words_share=share)
    assert sorted(ids(found)) == sorted({*dict(likeness)} | {hit.item_id for hit in words})
    titles = {hit.item_id for hit in words if hit.has_all and hit.is_title}
    whole = {hit.item_id for hit in words if hit.has_all}
    assert set(ids(found)[: len(titles)]) == titles
    assert set(ids(found)[: len(whole)]) == whole
    near = {item_id for item_id, _ in likeness[:10]}
    for each in found:
        assert each.cosine == dict(likeness).get(each.item_id)
        is_named = each.item_id in {hit.item_id for hit in words}
        assert each.found_by == ("likeness" if not is_named else "both" if each.item_id in near else "words")


@given(rankings())
def test_without_words_the_likeness_is_unchanged(ranking: tuple) -> None:
    likeness, _, _ = ranking
    found = joined(likeness, [], {}, nearest=10, has_rest=False)
    assert found == [Found(item_id, cosine, "likeness") for item_id, cosine in likeness]


@given(rankings())
def test_items_without_words_keep_their_order(ranking: tuple) -> None:
    likeness, words, cosines = ranking
    named = {hit.item_id for hit in words}
    found = joined(likeness, words, cosines, nearest=10, has_rest=False)
    assert [item_id for item_id in ids(found) if item_id not in named] == [i for i, _ in likeness if i not in named]


@given(rankings(), st.integers(0, 30))
def test_the_beginning_is_the_same_however_deep_the_search_went(ranking: tuple, further: int) -> None:
    likeness, words, cosines = ranking
    depth = 10 + further
    whole = joined(likeness, words, cosines, nearest=10, has_rest=False)
    part = joined(likeness[:depth], words, cosines, nearest=10, has_rest=len(likeness) >= depth)
    assert len(part) >= min(depth, len(likeness))
    assert part == whole[: len(part)]


def test_a_word_weighs_as_much_beside_a_narrow_and_a_wide_range_of_cosines() -> None:
    wide = [(number, 1.0 - number / 10) for number in range(1, 11)]
    narrow = [(number, 0.30 + cosine / 100) for number, cosine in wide]
    words = [WordHit(5, 0.5), WordHit(9, 0.9)]
    orders = [ids(joined(hits, words, dict(hits), nearest=10, has_rest=False)) for hits in (wide, narrow)]
    assert orders[0] == orders[1] != ids(joined(wide, [], {}, nearest=10, has_rest=False))


def test_items_that_no_model_has_looked_at_are_found_by_their_words() -> None:
    assert ids(joined([], [WordHit(7, 0.9), WordHit(3, 0.4)], {}, nearest=10, has_rest=False)) == [7, 3]
    likeness = [(1, 0.5), (2, 0.2)]
    found = joined(likeness, [WordHit(7, 1.0)], {}, nearest=10, has_rest=False)
    assert Found(7, None, "words") in found


def test_beside_a_picture_words_count_less() -> None:
    likeness = [(1, 0.9), (2, 0.5), (3, 0.1)]
    words = [WordHit(3, 5.0, has_all=True, is_title=True)]

    def first(picture_share: float) -> int:
        return joined(likeness, words, {3: 0.1}, nearest=10, has_rest=False, picture_share=picture_share)[0].item_id

    assert (first(0.0), first(0.5), first(1.0)) == (3, 3, 1)
    assert joined([], words, {}, nearest=10, has_rest=False)[0].item_id == 3


def test_words_alone_have_their_own_order() -> None:
    words = [WordHit(4, 1.0, True, True), WordHit(2, 0.3)]
    assert by_words(words, {2: 0.5}) == [Found(4, None, "words"), Found(2, 0.5, "words")]


def test_a_tenth_of_the_items_is_near() -> None:
    assert [nearest_of(count) for count in (0, 8, 99, 500, 100_000)] == [10, 10, 10, 50, 100]
