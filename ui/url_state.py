"""Queries in the address bar: `?q=` words, `?like=` an item, `mix` the weight, `min`, `by` and `where.…` the filter, `skip` the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crossmodal.errors import CrossmodalError
from crossmodal.items import Picture
from engine.query import SIGNALS, Signal

EVEN = 0.5
_ONLY = "where."
_OURS = ("q", "like", "mix", "min", "by", "skip")
_MOST_NAMES, _MOST_VALUES = 10, 50
_MOST_DIGITS = 9

Address = dict[str, list[str]]
"""Parameter name → its values in the address bar."""


@dataclass(frozen=True)
class Asked:
    """A query of the page: `words`, an item, a picture, or words together with one of these.

    Attributes:
        label: display name of the picture: its file name or address.
        balance: the picture's share in [0, 1] when combined with words.
        problem: why there is no picture to search with (an address without one, a broken file).
    """

    words: str = ""
    item_id: int = 0
    picture: Picture | None = field(default=None, repr=False)
    label: str = ""
    balance: float = EVEN
    problem: CrossmodalError | None = None

    @property
    def shows(self) -> bool:
        """Whether the query has a picture, of the collection or from elsewhere."""
        return self.picture is not None or bool(self.item_id)


@dataclass(frozen=True)
class ResultFilter:
    """A filter of results: one of the values of every attribute in `where`, a score of at least `min_score`, found by one `signal`."""

    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    min_score: float | None = None
    signal: Signal = "joined"

    def __bool__(self) -> bool:
        return bool(self.where) or self.min_score is not None or self.signal != "joined"


def to_address(query: Asked | None, result_filter: ResultFilter, offset: int = 0) -> Address:
    """Convert to address bar parameters. An uploaded picture cannot be represented, nor a page of its results."""
    address: Address = {}
    if query is not None and query.picture is None and query.problem is None:
        if query.words:
            address["q"] = [query.words]
        if query.item_id:
            address["like"] = [str(query.item_id)]
        if query.words and query.item_id and query.balance != EVEN:
            address["mix"] = [f"{query.balance:g}"]
        if offset:
            address["skip"] = [str(offset)]
    if result_filter.min_score is not None:
        address["min"] = [f"{result_filter.min_score:g}"]
    if result_filter.signal != "joined":
        address["by"] = [result_filter.signal]
    return address | {f"{_ONLY}{name}": list(values) for name, values in sorted(result_filter.where.items())}


def from_address(address: Mapping[str, Sequence[str]]) -> tuple[Asked | None, ResultFilter]:
    """Parse untrusted address bar parameters; invalid ones are ignored."""
    words, like = _last(address, "q"), _last(address, "like")
    item_id = int(like) if like.isascii() and like.isdigit() and len(like) < 19 else 0
    balance = _share(_last(address, "mix"))
    query = Asked(words=words, item_id=item_id, balance=EVEN if balance is None else balance) if words.strip() or item_id else None
    named = [name for name in address if name.startswith(_ONLY) and name != _ONLY and address[name]][:_MOST_NAMES]
    where = {name.removeprefix(_ONLY): tuple(dict.fromkeys(address[name]))[:_MOST_VALUES] for name in named}
    signals: dict[str, Signal] = {each: each for each in SIGNALS}
    return query, ResultFilter(where, _share(_last(address, "min")), signals.get(_last(address, "by"), "joined"))


def offset_of(address: Mapping[str, Sequence[str]]) -> int:
    """Number of best results that the address skips; 0 if the parameter is missing or invalid."""
    skip = _last(address, "skip")
    return int(skip) if skip.isascii() and skip.isdigit() and len(skip) <= _MOST_DIGITS else 0


def asks(address: Mapping[str, Sequence[str]]) -> Address:
    """The parameters of the query itself, without the filter."""
    return {name: list(address[name]) for name in ("q", "like", "mix") if name in address}


def ours(address: Mapping[str, Sequence[str]]) -> Address:
    """The parameters that this program uses."""
    return {name: list(values) for name, values in address.items() if name in _OURS or name.startswith(_ONLY)}


def _last(address: Mapping[str, Sequence[str]], name: str) -> str:
    values = address.get(name) or [""]
    return values[-1]


def _share(text: str) -> float | None:
    """A number in [0, 1] to two decimals; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return round(number, 2) if 0.0 <= number <= 1.0 else None
