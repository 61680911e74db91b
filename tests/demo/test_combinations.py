"""Every combination once, one in seven held out, and nothing missing from training."""

from itertools import combinations

import pytest

from crossmodal.demo.combinations import COMBINATION_COUNT, Combination, combination_at, is_held_out, position_of_item
from crossmodal.demo.vocabulary import COLOURS, KINDS, PATTERNS

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
