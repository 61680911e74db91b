"""Filters: equal ones are equal; what is no filter is refused by name."""

import pytest

from crossmodal.errors import QueryError
from crossmodal.filters import MAX_ATTRIBUTES, MAX_VALUES, Filter


def test_equal_filters_are_equal() -> None:
    assert Filter.of({"a": ["2", "1", "2"], "b": "x"}) == Filter.of({"b": ["x"], "a": ("1", "2")})
    assert Filter.of({"b": ("2", "1"), "a": "x"}).values == (("a", ("x",)), ("b", ("1", "2")))


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("colour", "'colour'"),
        ([("a", "b")], "('a', 'b')"),
        ({"colour": 3}, "'colour' takes a text or several, not 3"),
        ({"colour": None}, "None"),
        ({"colour": {"red": 1}}, "'red'"),
        ({"colour": b"red"}, "b'red'"),
        ({"colour": ["red", 1]}, "['red', 1]"),
        ({"colour": []}, "not 0"),
        ({"colour": ["x"] * (MAX_VALUES + 1)}, "not 1,001"),
        ({3: "x"}, "not 3"),
        ({"": "x"}, "not ''"),
        ({str(n): "x" for n in range(MAX_ATTRIBUTES + 1)}, "not 51"),
    ],
)
def test_what_is_no_filter_is_refused_by_name(where: object, named: str) -> None:
    with pytest.raises(QueryError) as raised:
        Filter.of(where)  # type: ignore[arg-type]
    assert raised.value.code == "bad_request"
    assert named in str(raised.value)
    assert len(str(raised.value)) < 250
    assert raised.value.remedy
