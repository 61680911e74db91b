"""Join two rankings of items, by their words and by their likeness, into one (docs/decisions/0024-words-in-titles.md).

A convex combination of normalised scores (Bruch et al. 2022, An Analysis of Fusion Functions for Hybrid Retrieval, arXiv 2210.11934).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossmodal.items import FoundBy, WordHit

WORDS_SHARE = 0.5
"""Share of the words in a joined score, in [0, 1]."""
_TIE_BREAK = 0.02
"""Weight of the likeness among items that have all words of the query."""
_NEAREST = 100
_NEAREST_OF_FEW = 10


@dataclass(frozen=True, slots=True)
class Found:
    """An item of a joined ranking. `cosine` is None for an item without an embedding."""

    item_id: int
    cosine: float | None
    found_by: FoundBy


def by_words(words: Sequence[WordHit], cosines: Mapping[int, float]) -> list[Found]:
    """The ranking by words alone."""
    return [Found(each.item_id, cosines.get(each.item_id), "words") for each in words]


def nearest_of(count: int) -> int:
    """How many of `count` items count as the nearest to a query: a tenth, from 10 to 100."""
    return min(max(count // 10, _NEAREST_OF_FEW), _NEAREST)


def joined(
    likeness: Sequence[tuple[int, float]],
    words: Sequence[WordHit],
    cosines: Mapping[int, float],
    *,
    nearest: int,
    has_rest: bool,
    picture_share: float | None = None,
    words_share: float = WORDS_SHARE,
) -> list[Found]:
    """The items of two rankings in one, best first; equal ones by cosine, then id. Without words it is the likeness, unchanged.

    Items with the query as their title come first, then those with all its words, among which the likeness hardly counts. The others are
    ordered by a convex combination of both. The likeness of an item is its cosine on a scale from that of the `nearest`-th item (0) to
    that of the last of the first tenth of them (1): models with a narrow and with a wide range of cosines count the same, and an item that
    stands out is far above 1. Items without an embedding are at 0.

    Args:
        likeness: (item_id, cosine) of the nearest items, best first; at least `nearest` of them, if there are as many.
        words: the items that have words of the query.
        cosines: those of these items; the ones without an embedding are missing.
        has_rest: there may be items after the last of `likeness`. Those whose place depends on them are left out; at least as many remain
            as `likeness` has.
        picture_share: share of the picture, in [0, 1], where the text is combined with one: the words count as much less, and none come
            first.
        words_share: share of the words in the combination, in [0, 1].
    """
    if not words:
        return [Found(item_id, cosine, "likeness") for item_id, cosine in likeness]
    reference = likeness[:nearest]
    lowest = reference[-1][1] if reference else 0.0
    unit = (reference[max(0, len(reference) // 10 - 1)][1] - lowest if reference else 0.0) or 1.0
    near, of_words = {item_id for item_id, _ in reference}, {each.item_id: each for each in words}
    cosine_of: dict[int, float | None] = dict.fromkeys(of_words) | dict(cosines) | dict(likeness)

    def by_likeness(cosine: float | None) -> float:
        return 0.0 if cosine is None else (cosine - lowest) / unit

    def place(item_id: int) -> tuple[int, float, float, int]:
        cosine, word = cosine_of[item_id], of_words.get(item_id)
        like, tier = by_likeness(cosine), 2
        score = (1.0 - words_share) * like
        if word is not None and word.has_all and picture_share is None:
            score, tier = _TIE_BREAK * like + word.score, 1 - word.is_title
        elif word is not None:
            score += words_share * (1.0 - (picture_share or 0.0)) * word.score
        return tier, -score, math.inf if cosine is None else -cosine, item_id

    places = sorted(map(place, cosine_of))
    if likeness and has_rest:
        last = (1.0 - words_share) * by_likeness(likeness[-1][1])
        places = [each for each in places if each[0] < 2 or -each[1] >= last]

    def found_by(item_id: int) -> FoundBy:
        return "likeness" if item_id not in of_words else "both" if item_id in near else "words"

    return [Found(item_id, cosine_of[item_id], found_by(item_id)) for _, _, _, item_id in places]
