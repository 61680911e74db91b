"""What a collection's words can say about a query."""

from hypothesis import given
from hypothesis import strategies as st

from crossmodal.text.vocabulary import Vocabulary

TITLES = ["Red striped mug", "striped shirt for men", "blue umbrella", "mug, large"]


def test_unknown_words_in_order_and_once() -> None:
    vocabulary = Vocabulary(TITLES)
    assert vocabulary.unknown("a green STRIPED kettle, green mug") == ["green", "kettle"]
    assert vocabulary.unknown("the red mug") == []
    assert len(vocabulary) == len({"red", "striped", "mug", "shirt", "men", "blue", "umbrella", "large"})


def test_slips_find_the_word_that_was_meant() -> None:
    vocabulary = Vocabulary(TITLES)
    assert vocabulary.near("stripd umbrela") == ["umbrella", "striped"]
    assert vocabulary.near("stripd umbrela", n=1) == ["umbrella"]
    assert vocabulary.near("kleid") == []
    assert vocabulary.near("red striped mug") == []


def test_of_equally_close_words_the_more_frequent_comes_first() -> None:
    assert Vocabulary(["boots", "books", "books new"]).near("boods") == ["books", "boots"]


def test_no_titles_know_and_suggest_nothing() -> None:
    vocabulary = Vocabulary([])
    assert (len(vocabulary), vocabulary.unknown("red mug"), vocabulary.near("red mug")) == (0, ["red", "mug"], [])


@given(st.lists(st.text(max_size=20), max_size=5), st.text(st.characters(), max_size=40))
def test_any_text_is_answered(titles: list[str], query: str) -> None:
    vocabulary = Vocabulary(titles)
    assert set(vocabulary.near(query, n=2)).isdisjoint(vocabulary.unknown(query))
    for title in titles:
        assert vocabulary.unknown(title) == []
