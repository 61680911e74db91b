from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.query import SIGNALS, Signal
from ui.url_state import Asked, ResultFilter, asks, from_address, offset_of, ours, to_address

NAMES = st.text(min_size=1, max_size=20)
ADDRESSES = st.dictionaries(
    st.one_of(st.sampled_from(["q", "like", "mix", "min", "skip", "where.", "embed"]), NAMES.map("where.{}".format)),
    st.lists(st.text(max_size=30), max_size=4),
)


@pytest.mark.slow
@given(
    words=st.text(max_size=40),
    item_id=st.integers(0, 10**18 - 1),
    balance=st.integers(0, 100),
    where=st.dictionaries(NAMES, st.lists(st.text(max_size=20), min_size=1, max_size=5, unique=True).map(tuple), max_size=10),
    min_score=st.one_of(st.none(), st.integers(0, 100)),
    offset=st.integers(0, 10_000),
    signal=st.sampled_from(SIGNALS),
)
def test_what_is_written_is_read_again(
    words: str, item_id: int, balance: int, where: Any, min_score: int | None, offset: int, signal: Signal
) -> None:
    query = Asked(words=words, item_id=item_id, balance=balance / 100 if words and item_id else 0.5)
    result_filter = ResultFilter(where, None if min_score is None else min_score / 100, signal)
    address = to_address(query, result_filter, offset)
    asked, narrowed = from_address(address)
    assert narrowed == result_filter
    assert offset_of(address) == offset
    assert asked == (query if words.strip() or item_id else None)


@given(ADDRESSES)
def test_any_address_is_read_without_an_accident(address: dict[str, list[str]]) -> None:
    query, result_filter = from_address(address)
    again = to_address(query, result_filter, offset_of(address))
    assert from_address(again)[1] == result_filter
    assert set(ours(again)) == set(again)
    assert set(asks(again)) <= {"q", "like", "mix"}


@pytest.mark.parametrize("number", ["", "x", "-0.1", "1.01", "nan", "inf", "1e400"])
def test_an_impossible_number_is_passed_over(number: str) -> None:
    query, result_filter = from_address({"q": ["red"], "like": ["3"], "mix": [number], "min": [number]})
    assert query == Asked(words="red", item_id=3)
    assert not result_filter


@pytest.mark.parametrize("skip", ["", "x", "-1", "1.5", "²", "9" * 10])
def test_an_impossible_page_is_the_first(skip: str) -> None:
    assert offset_of({"q": ["red"], "skip": [skip]}) == 0


def test_nothing_is_an_empty_address() -> None:
    assert to_address(None, ResultFilter()) == {}
    assert from_address({}) == (None, ResultFilter())
