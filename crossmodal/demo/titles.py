"""Titles of the demo catalogue as people write them: several word orders and synonyms, always with all three facts."""

from random import Random

from crossmodal.demo.combinations import Combination

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
    """The usual name more often than its synonyms, as people do."""
    if rng.random() < USUAL_NAME_SHARE:
        return names[0]
    return rng.choice(names)
