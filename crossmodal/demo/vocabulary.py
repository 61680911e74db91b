"""The words of the demo catalogue: what is sold, in which colours and patterns, and how people name them.

Titles use every form given here. No form of one kind, colour or pattern names another, so a title always identifies all three.
"""

from dataclasses import dataclass
from random import Random

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing. `names[0]` is its usual name, `price` its price range in whole currency units."""

    names: tuple[str, ...]
    price: tuple[int, int]

    @property
    def name(self) -> str:
        """The usual name, in lower case; it names the kind everywhere in the catalogue."""
        return self.names[0]


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour: its names, its RGB value, and the accent in which a pattern is drawn on it."""

    names: tuple[str, ...]
    rgb: Rgb
    accent: Rgb

    @property
    def name(self) -> str:
        """The usual name, in lower case."""
        return self.names[0]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern: adjectives placed before a thing ("striped") and endings placed after it ("with stripes")."""

    adjectives: tuple[str, ...]
    endings: tuple[str, ...]

    @property
    def name(self) -> str:
        """The usual adjective, in lower case."""
        return self.adjectives[0]


KINDS: tuple[Kind, ...] = (
    Kind(("mug", "coffee mug"), (7, 19)),
    Kind(("t-shirt", "tee"), (9, 35)),
    Kind(("cap", "baseball cap"), (10, 29)),
    Kind(("bottle", "water bottle"), (12, 34)),
    Kind(("backpack", "rucksack"), (29, 95)),
    Kind(("lamp", "table lamp"), (24, 89)),
    Kind(("armchair", "chair"), (119, 399)),
    Kind(("sneaker", "trainer"), (39, 120)),
    Kind(("umbrella", "rain umbrella"), (14, 45)),
    Kind(("sock", "ankle sock"), (3, 12)),
    Kind(("ball", "play ball"), (5, 25)),
    Kind(("book", "notebook"), (6, 28)),
    Kind(("guitar", "acoustic guitar"), (79, 349)),
    Kind(("dress", "summer dress"), (25, 99)),
    Kind(("teapot", "tea pot"), (18, 59)),
    Kind(("cushion", "throw pillow"), (11, 39)),
)

CREAM: Rgb = (252, 249, 242)

COLOURS: tuple[Colour, ...] = (
    Colour(("red", "bright red"), (214, 40, 46), CREAM),
    Colour(("orange",), (244, 124, 24), CREAM),
    Colour(("yellow", "sunny yellow"), (250, 200, 18), CREAM),
    Colour(("green", "grass green"), (44, 152, 74), CREAM),
    Colour(("blue", "royal blue"), (34, 96, 204), CREAM),
    Colour(("purple", "violet"), (122, 62, 176), CREAM),
    Colour(("pink",), (244, 130, 176), CREAM),
    Colour(("brown", "chocolate brown"), (112, 68, 42), CREAM),
    Colour(("black", "jet black"), (40, 41, 48), CREAM),
    Colour(("white", "snow white"), (248, 248, 246), (160, 172, 188)),
)

PATTERNS: tuple[Pattern, ...] = (
    Pattern(("plain", "solid"), ("without a pattern", "with no pattern")),
    Pattern(("striped", "stripy"), ("with stripes",)),
    Pattern(("dotted", "polka dot", "spotted"), ("with dots", "with polka dots", "with spots")),
    Pattern(("checked", "chequered"), ("with checks", "with a check pattern")),
)

PLAIN = PATTERNS[0].name


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
        position: 0 to COMBINATION_COUNT - 1; every combination has exactly one position.

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
    """Whether the combination at this position is held out from training: the 7th, the 14th, and so on."""
    return position % HELD_OUT_EVERY == HELD_OUT_EVERY - 1


TRAINING_POSITIONS = tuple(position for position in range(COMBINATION_COUNT) if not is_held_out(position))


def position_of_item(index: int) -> int:
    """The combination that the item with this index (from 0) shows.

    The first COMBINATION_COUNT items show one combination each. Later items are further pictures of training combinations, so that
    a held-out combination has exactly one picture and a search for it exactly one correct result.
    """
    if index < COMBINATION_COUNT:
        return index
    return TRAINING_POSITIONS[(index - COMBINATION_COUNT) % len(TRAINING_POSITIONS)]


FORMS: tuple[str, ...] = (
    "{colour} {adjective} {kind}",
    "{adjective} {colour} {kind}",
    "{adjective} {kind} in {colour}",
    "{kind}, {colour}, {adjective}",
    "{kind} - {adjective}, {colour}",
    "{kind} in {colour}, {adjective}",
    "{colour} {kind} {ending}",
    "{kind} in {colour}, {ending}",
)
USUAL_NAME_SHARE = 0.6


def title_for(combination: Combination, rng: Random) -> str:
    """A title that names kind, colour and pattern; the words and their order come from `rng`."""
    title = rng.choice(FORMS).format(
        kind=_one_of(combination.kind.names, rng),
        colour=_one_of(combination.colour.names, rng),
        adjective=_one_of(combination.pattern.adjectives, rng),
        ending=rng.choice(combination.pattern.endings),
    )
    return title[0].upper() + title[1:]


def _one_of(names: tuple[str, ...], rng: Random) -> str:
    """Choose a name; the usual one more often than its synonyms."""
    if rng.random() < USUAL_NAME_SHARE:
        return names[0]
    return rng.choice(names)
