"""Names to things: what is registered is found, and what is not is answered with what there is."""

import pytest

from crossmodal.errors import QueryError
from crossmodal.registry import Registry


@pytest.fixture
def registry() -> Registry[int]:
    found: Registry[int] = Registry("size")
    for number, name in enumerate(("small", "medium", "large")):
        found.register(name, number)
    return found


def test_what_is_registered_is_found(registry: Registry[int]) -> None:
    assert registry.get("medium") == 1
    assert registry.names() == ("small", "medium", "large")
    assert "large" in registry
    assert "huge" not in registry
    assert registry.register("huge", 7) == 7


def test_an_unknown_name_is_answered_with_the_known_ones_nearest_first(registry: Registry[int]) -> None:
    with pytest.raises(QueryError) as caught:
        registry.get("Larger")
    assert caught.value.code == "bad_request"
    assert str(caught.value) == "There is no size called 'Larger'."
    assert caught.value.remedy.startswith("Known are: large, ")
    assert {"small", "medium", "large"} <= set(caught.value.remedy.rstrip(".").replace(",", "").split())


@pytest.mark.parametrize("name", ["", "x" * 10_000, "a\nb"])
def test_odd_names_make_one_short_line(name: str) -> None:
    with pytest.raises(QueryError) as caught:
        Registry[int]("size").get(name)
    assert len(str(caught.value)) < 150
    assert "\n" not in str(caught.value)
    assert "none yet" in caught.value.remedy


def test_a_name_is_given_once(registry: Registry[int]) -> None:
    with pytest.raises(ValueError, match="already"):
        registry.register("small", 9)
