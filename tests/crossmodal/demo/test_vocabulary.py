"""Every combination once, one in seven held out, and nothing missing from training."""

import re
from itertools import combinations
from random import Random

import pytest

from crossmodal.demo.vocabulary import (
    COLOURS,
    COMBINATION_COUNT,
    FORMS,
    KINDS,
    PATTERNS,
    Combination,
    combination_at,
    is_held_out,
    position_of_item,
    title_for,
)

EVERY = [combination_at(position) for position in range(COMBINATION_COUNT)]
TRAINING = [shown for position, shown in enumerate(EVERY) if not is_held_out(position)]


def facts(shown: Combination) -> tuple[str, str, str]:
    return shown.kind.name, shown.colour.name, shown.pattern.name


def test_the_catalogue_is_as_wide_as_promised() -> None:
    assert len(KINDS) >= 15
    assert len(COLOURS) == 10
    assert [pattern.name for pattern in PATTERNS] == ["plain", "striped", "dotted", "checked"]
    assert COMBINATION_COUNT < 720


def test_every_combination_stands_at_exactly_one_position() -> None:
    wanted = {(kind.name, colour.name, pattern.name) for kind in KINDS for colour in COLOURS for pattern in PATTERNS}
    assert len(EVERY) == len(wanted)
    assert {facts(shown) for shown in EVERY} == wanted


@pytest.mark.parametrize("position", [-1, COMBINATION_COUNT])
def test_a_position_outside_is_refused(position: int) -> None:
    with pytest.raises(IndexError, match=str(position)):
        combination_at(position)


def test_every_seventh_combination_is_held_out() -> None:
    held_out = [position for position in range(COMBINATION_COUNT) if is_held_out(position)]
    assert held_out == list(range(6, COMBINATION_COUNT, 7))


@pytest.mark.parametrize("one_and_other", list(combinations(range(3), 2)))
def test_training_has_every_pair_of_facts(one_and_other: tuple[int, int]) -> None:
    one, other = one_and_other
    assert {(facts(shown)[one], facts(shown)[other]) for shown in TRAINING} == {
        (facts(shown)[one], facts(shown)[other]) for shown in EVERY
    }


def test_a_small_catalogue_is_a_fair_sample() -> None:
    first = [facts(shown) for position, shown in enumerate(EVERY[:100]) if not is_held_out(position)]
    for fact, values in enumerate((KINDS, COLOURS, PATTERNS)):
        counts = [sum(shown[fact] == value.name for shown in first) for value in values]
        assert min(counts) >= 0.6 * len(first) / len(values)


def test_further_items_are_training_combinations_spread_evenly() -> None:
    further = [position_of_item(index) for index in range(COMBINATION_COUNT, COMBINATION_COUNT + 2 * len(TRAINING))]
    assert not any(is_held_out(position) for position in further)
    assert all(further.count(position) == 2 for position in set(further))
    assert len(set(further)) == len(TRAINING)


KIND_WORDS = {
    "mug": "mug",
    "t-shirt": "t-shirt|tee",
    "cap": "cap",
    "bottle": "bottle",
    "backpack": "backpack|rucksack",
    "lamp": "lamp",
    "armchair": "armchair|chair",
    "sneaker": "sneaker|trainer",
    "umbrella": "umbrella",
    "sock": "sock",
    "ball": "ball",
    "book": "book|notebook",
    "guitar": "guitar",
    "dress": "dress",
    "teapot": "teapot|tea pot",
    "cushion": "cushion|pillow",
}
COLOUR_WORDS = {
    "red": "red",
    "orange": "orange",
    "yellow": "yellow",
    "green": "green",
    "blue": "blue",
    "purple": "purple|violet",
    "pink": "pink",
    "brown": "brown",
    "black": "black",
    "white": "white",
}
PATTERN_WORDS = {
    "plain": "plain|solid|without a pattern|no pattern",
    "striped": "striped|stripy|stripes",
    "dotted": "dotted|dots?|spotted|spots",
    "checked": "checked|chequered|checks|check pattern",
}


def read(title: str, words: dict[str, str]) -> list[str]:
    return [name for name, forms in words.items() if re.search(rf"(?<![\w-])(?:{forms})(?![\w-])", title.lower())]


def test_the_three_facts_can_be_read_back_from_every_title() -> None:
    for position in range(COMBINATION_COUNT):
        shown = combination_at(position)
        for attempt in range(6):
            title = title_for(shown, Random(f"{position} {attempt}"))
            assert read(title, KIND_WORDS) == [shown.kind.name], title
            assert read(title, COLOUR_WORDS) == [shown.colour.name], title
            assert read(title, PATTERN_WORDS) == [shown.pattern.name], title


def test_every_form_names_all_three_facts() -> None:
    for form in FORMS:
        assert "{kind}" in form
        assert "{colour}" in form
        assert ("{adjective}" in form) != ("{ending}" in form)


def test_titles_vary_in_words_and_order() -> None:
    shown = combination_at(0)
    titles = {title_for(shown, Random(str(attempt))) for attempt in range(200)}
    assert len(titles) >= 20
    assert {title.lower().split()[0].strip(",") for title in titles} >= {"mug", "red", "plain", "coffee"}


def test_every_word_of_the_vocabulary_is_used() -> None:
    titles = " | ".join(
        title_for(combination_at(position), Random(f"{position} {attempt}")).lower()
        for position in range(COMBINATION_COUNT)
        for attempt in range(4)
    )
    forms = [name for group in (KINDS, COLOURS) for entry in group for name in entry.names]
    forms += [form for pattern in PATTERNS for form in pattern.adjectives + pattern.endings]
    assert [form for form in forms if form not in titles] == []


def test_a_title_starts_with_a_capital_and_has_no_stray_spaces() -> None:
    for position in range(0, COMBINATION_COUNT, 5):
        title = title_for(combination_at(position), Random(position))
        assert title[0].isupper()
        assert title == " ".join(title.split())
