"""WordNet 3.0's nouns, and which of them ImageNet's classes are. Read from the files of Debian's package `wordnet-base`."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NOUNS = Path("/usr/share/wordnet/data.noun")

# Both are "maillot" in WordNet; the order of the classes cannot tell them apart.
_BY_HAND = {"maillot": 3710637, "maillot tank suit": 3710721}


@dataclass(frozen=True, slots=True)
class Synset:
    """A meaning: its words, the offsets of the meanings above it, and its definition with examples."""

    words: tuple[str, ...]
    above: tuple[int, ...]
    gloss: str


def read_nouns(path: Path = NOUNS) -> dict[int, Synset]:
    """All noun meanings by offset."""
    found = {}
    for line in path.read_text("latin-1").splitlines():
        if line.startswith("  "):  # the licence
            continue
        head, gloss = line.split(" | ", 1)
        fields = head.split()
        size = int(fields[3], 16)
        after = 4 + 2 * size
        pointers = [fields[after + 1 + 4 * i : after + 5 + 4 * i] for i in range(int(fields[after]))]
        found[int(fields[0])] = Synset(
            tuple(fields[4 + 2 * i].replace("_", " ") for i in range(size)),
            tuple(int(offset) for symbol, offset, _, _ in pointers if symbol in ("@", "@i")),
            gloss.strip(),
        )
    return found


def meanings_of(classes: Sequence[str], nouns: dict[int, Synset]) -> list[int]:
    """The offset of each class.

    ImageNet's classes are sorted by offset, which settles ambiguous names: the longest increasing chain over the candidates is taken.
    """
    by_word: dict[str, list[int]] = {}
    for offset, noun in nouns.items():
        for word in noun.words:
            by_word.setdefault(word.lower(), []).append(offset)
    pairs = [
        (place, offset)
        for place, name in enumerate(classes)
        for offset in sorted(_candidates(name, by_word), reverse=True)  # descending: at most one of each class
    ]
    chain = dict(pairs[i] for i in _longest_chain([offset for _, offset in pairs]))
    chain |= {place: _BY_HAND[name] for place, name in enumerate(classes) if name in _BY_HAND}
    return [chain[place] for place in range(len(classes))]


def above(offset: int, nouns: dict[int, Synset]) -> dict[int, int]:
    """The meanings above one, itself included, with their least distance."""
    distance, layer = {offset: 0}, [offset]
    while layer:
        steps = distance[layer[0]] + 1
        layer = list(dict.fromkeys(higher for each in layer for higher in nouns[each].above if higher not in distance))
        distance |= dict.fromkeys(layer, steps)
    return distance


def _candidates(name: str, by_word: dict[str, list[int]]) -> set[int]:
    name = name.lower()
    spellings = {name, name.replace("-", " "), name.replace("'s", ""), name.replace(" ", "-")}
    found = {offset for spelling in spellings for offset in by_word.get(spelling, [])}
    if not found:
        parts = name.split()
        found = {offset for part in (" ".join(parts[:-1]), parts[-1]) for offset in by_word.get(part, [])}
    return found


def _longest_chain(values: Sequence[int]) -> list[int]:
    """Places of a longest strictly increasing subsequence."""
    last: list[int] = []
    ends: list[int] = []
    before: list[int | None] = []
    for place, value in enumerate(values):
        length = bisect_left(ends, value)
        before.append(last[length - 1] if length else None)
        last[length : length + 1], ends[length : length + 1] = [place], [value]
    chain: list[int] = []
    link = last[-1] if last else None
    while link is not None:
        chain.append(link)
        link = before[link]
    return chain[::-1]
