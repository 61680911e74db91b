"""Values of a search: `Query` and `SearchAnswer`, the same for all front ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from crossmodal.errors import QueryError
from crossmodal.filters import CATALOGUE, Filter, Where
from crossmodal.items import Item, Picture, SearchResult
from crossmodal.text.cleaning import clean_query, display_text
from engine.validation import Limits, number_of, top_k_of, whole_number_of

if TYPE_CHECKING:
    from crossmodal.store import Store

_NAMED = 5
_SHOWN_CHARS = 60

Signal = Literal["joined", "words", "likeness"]
SIGNALS: tuple[Signal, ...] = get_args(Signal)

Image = bytes | Path | str | Picture
"""A picture in any form: its bytes, a file, a URL, or decoded."""


@dataclass(frozen=True, slots=True)
class Query:
    """A search by a text, a picture (a new one or an item's), or a text and a picture together.

    Attributes:
        text: a description; None searches by the picture alone.
        image: a picture that need not be in the collection; excludes `item_id`.
        item_id: the item whose picture is searched with.
        weight: share of the picture in [0, 1] when there is a text as well, see `engine.search.fused`.
        where: filter: attribute → its value, or any of several; `catalogue` is the source.
        min_score: minimum cosine, in [-1, 1]. Items that the model has not looked at yet have none, and are left out.
        top_k: maximum number of results, from 1 to `Limits.max_top_k`.
        offset: number of best results to skip, from 0 to `Limits.max_offset`; ranks include them.
        collapse_duplicates: return only the best of items with the same picture file.
        include_self: whether items with the query picture itself, including the queried item, may be results.
        signal: what a text finds items by: `words` (of their titles, captions, attributes and file names), `likeness` (of the embeddings),
            or both `joined`. A picture is found by likeness alone.
    """

    text: str | None = None
    image: Image | None = field(default=None, repr=False)
    item_id: int | None = None
    weight: float = 0.5
    where: Where | None = None
    min_score: float | None = None
    top_k: int = 5
    offset: int = 0
    collapse_duplicates: bool = True
    include_self: bool = False
    signal: Signal = "joined"


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """Results of a query.

    Attributes:
        results: best first; ranks start at `offset` + 1.
        hidden: number of items that rank above the last result, but are left out because they have the query picture.
    """

    results: list[SearchResult]
    hidden: list[Item] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ValidQuery(Query):
    """A query returned by `validated`: its text is cleaned, and its filter parsed into `chosen`."""

    chosen: Filter = field(default_factory=Filter)

    @property
    def depth(self) -> int:
        """Minimum number of ranked items that the answer needs."""
        return self.offset + self.top_k

    @property
    def shows(self) -> bool:
        """Whether there is a picture, with a text or alone."""
        return self.image is not None or self.item_id is not None


def validated(query: Query, limits: Limits) -> ValidQuery:
    """Validate a query: clean its text and parse its filter. A `ValidQuery` is returned unchanged.

    Raises:
        QueryError: `text_empty`, `text_too_long`; `bad_request`: a value is invalid, or there is neither text nor picture.
    """
    if isinstance(query, ValidQuery):
        return query
    top_k = top_k_of(limits, query.top_k)
    offset = whole_number_of(query.offset, "The offset", 0, limits.max_offset)
    chosen = Filter.of(query.where)
    min_score = None if query.min_score is None else number_of(query.min_score, "The lowest score", -1.0, 1.0)
    weight = number_of(query.weight, "The weight of the picture", 0.0, 1.0)
    if query.text is None and query.image is None and query.item_id is None:
        raise QueryError("bad_request", "Neither a text nor a picture was given.", remedy="Give a text, a picture, or both.")
    if query.image is not None and query.item_id is not None:
        raise QueryError("bad_request", "A picture and an item were given.", remedy="Give one of them.")
    item_id = query.item_id
    if item_id is not None and (isinstance(item_id, bool) or not isinstance(item_id, int)):
        raise QueryError("bad_request", f"The id of an item is a whole number, not {item_id!r:.40}.", remedy="Give its id.")
    text = None if query.text is None else clean_query(query.text, max_chars=limits.max_query_chars)
    if query.signal not in SIGNALS:
        raise QueryError("bad_request", f"There is no signal {query.signal!r:.40}.", remedy=f"Choose one of {', '.join(SIGNALS)}.")
    return ValidQuery(
        text,
        query.image,
        item_id,
        weight,
        query.where,
        min_score,
        top_k,
        offset,
        bool(query.collapse_duplicates),
        bool(query.include_self),
        query.signal,
        chosen,
    )


def all_validated(queries: Sequence[Query], limits: Limits) -> list[ValidQuery]:
    """Validate many queries, possibly none.

    Raises:
        QueryError: as `validated`, for the first invalid one; `bad_request` for more than `limits.max_queries`.
    """
    if len(queries) > limits.max_queries:
        what = f"{len(queries):,} queries were asked at once; {limits.max_queries} are answered at most."
        raise QueryError("bad_request", what, remedy="Ask in several calls.")
    return [validated(query, limits) for query in queries]


def unknown_names(store: Store, where: Where) -> tuple[list[str], list[str]]:
    """What a filter names that is not in the collection: attributes that no item has; and catalogues, where it names no other."""
    known = store.items.attribute_values(1)
    attributes = [name for name in where if name != CATALOGUE and name not in known]
    names = where.get(CATALOGUE, ())
    catalogues = [names] if isinstance(names, str) else list(names)
    return attributes, [] if {*catalogues} & {*store.sources.counts()} else catalogues


def why_nothing(store: Store, where: Where) -> str:
    """A sentence about `unknown_names`; empty where a filter names only what there is."""
    attributes, catalogues = unknown_names(store, where)
    if attributes:
        return f"No item has an attribute {_listed(attributes)}."
    return f"There is no catalogue {_listed(catalogues)}." if catalogues else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{display_text(name, max_chars=_SHOWN_CHARS)}"' for name in names[:_NAMED])
