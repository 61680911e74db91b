"""A title always tells kind, colour and pattern; a reader written here, knowing only the words, finds all three."""

import re
from random import Random

from crossmodal.demo.combinations import COMBINATION_COUNT, combination_at
from crossmodal.demo.titles import FORMS, title_for
from crossmodal.demo.vocabulary import COLOURS, KINDS, PATTERNS

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
