"""Every kind x colour x pattern once, in one fixed order, and which of them training never sees."""

from dataclasses import dataclass

from crossmodal.demo.vocabulary import COLOURS, KINDS, PATTERNS, Colour, Kind, Pattern

COMBINATION_COUNT = len(KINDS) * len(COLOURS) * len(PATTERNS)
HELD_OUT_EVERY = 7

# Steps through the colour x pattern cells. ROUND_STEP has no factor in common with the number of cells, so a kind meets every cell
# once; together they keep any first part of the order balanced, which makes a smaller catalogue a fair sample of the whole.
ROUND_STEP = 11
KIND_STEP = 13


@dataclass(frozen=True, slots=True)
class Combination:
    """What one picture shows."""

    kind: Kind
    colour: Colour
    pattern: Pattern


def combination_at(position: int) -> Combination:
    """The combination at a position of the fixed order.

    Args:
        position: 0 to COMBINATION_COUNT - 1; every combination stands at exactly one position.

    Raises:
        IndexError: there is no such position.
    """
    if not 0 <= position < COMBINATION_COUNT:
        raise IndexError(f"position {position} is outside 0 to {COMBINATION_COUNT - 1}")
    round_number, kind = divmod(position, len(KINDS))
    cell = (round_number * ROUND_STEP + kind * KIND_STEP) % (len(COLOURS) * len(PATTERNS))
    pattern, colour = divmod(cell, len(COLOURS))
    return Combination(KINDS[kind], COLOURS[colour], PATTERNS[pattern])


def is_held_out(position: int) -> bool:
    """Whether the combination at this position is kept out of training: the 7th, the 14th, and so on."""
    return position % HELD_OUT_EVERY == HELD_OUT_EVERY - 1


TRAINING_POSITIONS = tuple(position for position in range(COMBINATION_COUNT) if not is_held_out(position))


def position_of_item(index: int) -> int:
    """The combination that the item with this index (from 0) shows.

    The first COMBINATION_COUNT items show one combination each. Later items are further pictures of training combinations, so that
    a held-out combination has exactly one picture and a search for it exactly one right answer.
    """
    if index < COMBINATION_COUNT:
        return index
    return TRAINING_POSITIONS[(index - COMBINATION_COUNT) % len(TRAINING_POSITIONS)]
