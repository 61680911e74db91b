"""Search results: the query, count and time, and the pictures; or hints if there are none."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.items import CaptionResult, FoundBy, Item, SearchResult
from engine.query import Query
from ui import formatting, session
from ui.components import dialogs, filters, grid, query_form
from ui.components.grid import title_of
from ui.formatting import literal, shorten
from ui.session import attempt
from ui.url_state import Asked, ResultFilter

if TYPE_CHECKING:
    from engine.live import LiveApp

_SHOWN = 10
_LONGEST, _LIKELY_CUT = 140, 60


def show_captions(app: "LiveApp", asked: Asked) -> None:
    """Show captions that fit the query picture, best first; nothing for a text query, or if there are no captions."""
    if asked.picture is not None:
        found = session.attempt(app.captions_for_image, asked.picture, _SHOWN)
    elif asked.item_id:
        found = session.attempt(app.captions_for_item, asked.item_id, _SHOWN, exclude_own=True)
    else:
        return
    if isinstance(found, CrossmodalError):
        dialogs.show(found)
    elif found:
        st.subheader("Captions that fit")
        st.caption("Titles and captions of this collection, the best first. Choose one to search by its words.")
        with st.grid("auto", min_column_width=300, gap=("xsmall", "medium"), key="captions") as grid:
            for caption in found:
                with grid.cell():
                    _row(app, caption)


def _row(app: "LiveApp", caption: CaptionResult) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"caption-row-{caption.rank}"):
        picture = session.attempt(app.thumbnail, caption.item.item_id)
        if isinstance(picture, bytes):
            st.image(picture, width=48, alt=shorten(title_of(caption.item), 300))
        st.caption(formatting.score(caption.score), width="content")
        st.button(
            literal(shorten(caption.caption, _LONGEST)),
            key=f"caption-{caption.rank}",
            type="tertiary",
            width="stretch",
            help=literal(shorten(caption.caption, 600)) if len(caption.caption) > _LIKELY_CUT else None,
            on_click=session.ask_words,
            args=(caption.caption,),
        )


@dataclass(frozen=True)
class Answer:
    """Results, their duration, and the items that show the query picture; or why there are none. `more`: whether others follow."""

    results: list[SearchResult]
    seconds: float
    problem: CrossmodalError | None = None
    hidden: Sequence[Item] = ()
    more: bool = False


def query_of(asked: Asked, chosen: ResultFilter, *, top_k: int, offset: int = 0) -> Query:
    """Return the query that the page sends to the app."""
    return Query(
        text=asked.words or (None if asked.shows else ""),
        image=asked.picture,
        item_id=asked.item_id or None,
        weight=asked.balance,
        where=chosen.where or None,
        min_score=chosen.min_score,
        signal=chosen.signal,
        top_k=top_k,
        offset=offset,
    )


def answer(app: "LiveApp", asked: Asked, chosen: ResultFilter, *, top_k: int, offset: int = 0) -> Answer:
    """Run a search; errors that a user can cause are returned, not raised."""
    if asked.problem is not None:
        return Answer([], 0.0, asked.problem)
    start = time.perf_counter()
    found = attempt(
        app.search, query_of(asked, chosen, top_k=top_k + 1, offset=offset)
    )  # one more than shown, to know whether others follow
    seconds = time.perf_counter() - start
    if isinstance(found, CrossmodalError):
        return Answer([], seconds, found)
    return Answer(
        found.results[:top_k],
        seconds,
        hidden=found.hidden if asked.picture is not None else (),
        more=len(found.results) > top_k,
    )


def is_address(words: str) -> bool:
    """Whether a text query is a web address."""
    return words.strip().lower().startswith(("http://", "https://")) and " " not in words.strip()


_SHOWN_AT_FIRST = 10
_FOUND_BY: dict[FoundBy, str] = {
    "words": "by its words",
    "likeness": "by likeness",
    "both": "by words and likeness",
}


def show(app: "LiveApp", *, top_k: int, columns: int | None) -> None:
    """Show the results of the current query, or an invitation to search."""
    grid.undo_bar(app)
    total = app.count()
    asked = session.query()
    if not total:
        _empty_collection()
        return
    filters.show(app)
    if asked is None:
        _invitation(app, total, columns)
    elif is_address(asked.words) and not asked.shows:
        _offer_address(asked.words.strip())
    else:
        got = answer(app, asked, session.result_filter(), top_k=top_k, offset=session.offset())
        _answered(app, asked, got, columns)
        _pages(got, top_k)


def _answered(app: "LiveApp", asked: Asked, got: Answer, columns: int | None) -> None:
    _header(app, asked, got)
    query_form.show_mix(asked)
    if got.hidden:
        _have(got.hidden[0])
    if got.problem is not None:
        dialogs.show(got.problem)
    elif not got.results and session.offset():
        st.markdown("**There are no further results.**")
    elif not got.results:
        _nothing_found(app, asked)
    else:
        hints = st.container()  # filled last: spelling suggestions may take longer than the search
        grid.show(
            app,
            [r.item for r in got.results],
            where="found",
            scores=[r.score for r in got.results],
            notes=[_FOUND_BY[r.found_by] if asked.words else "" for r in got.results],
            columns=columns,
        )
        with hints:
            _did_you_mean(app, "" if asked.shows else asked.words)
    if got.problem is None and not session.offset():
        show_captions(app, asked)


def _pages(got: Answer, top_k: int) -> None:
    """Buttons to the results before and after; none where one page shows all."""
    offset = session.offset()
    if not offset and not got.more:
        return
    with st.container(horizontal=True, horizontal_alignment="center", key="pages"):
        st.button(
            "Back",
            key="results-back",
            icon=":material/chevron_left:",
            disabled=not offset,
            on_click=session.skip,
            args=(max(0, offset - top_k),),
        )
        st.button(
            "More results",
            key="results-more",
            icon=":material/chevron_right:",
            icon_position="right",
            disabled=not got.more,
            on_click=session.skip,
            args=(offset + top_k,),
        )


def _have(item: Item) -> None:
    with st.container(key="have", horizontal=True, vertical_alignment="center", gap="small"):
        st.text("The collection has this very picture:", width="content")
        st.button(
            literal(shorten(title_of(item), 80)),
            key="have-it",
            type="tertiary",
            on_click=session.open_details,
            args=(item.item_id,),
        )


def _header(app: "LiveApp", asked: Asked, got: Answer) -> None:
    with st.container(key="asked", horizontal=True, vertical_alignment="center", gap="small"):
        picture = asked.picture.thumbnail if asked.picture else _thumbnail(app, asked.item_id)
        if picture is not None:
            st.image(picture, width=64, alt="The picture that was searched with")
        st.text(_sentence(app, asked, got), width="stretch")
        with st.container(horizontal=True, width="content", gap="xsmall"):
            if asked.picture is None and (asked.words or asked.item_id):
                _share()
            st.button("Clear", key="clear", type="tertiary", icon=":material/close:", on_click=session.clear)


def _sentence(app: "LiveApp", asked: Asked, got: Answer) -> str:
    if got.problem is not None:
        return f"Could not search {_what(app, asked, by='by')}"
    chosen = session.result_filter()
    total = session.attempt(app.count, where=chosen.where) if chosen.where else app.count()
    of = f" of {total:,}" if isinstance(total, int) else ""
    only = f", {filters.phrase(chosen)}" if chosen else ""
    skipped, shown = session.offset(), f"{len(got.results):,}"
    if skipped and got.results:
        shown = f"{skipped + 1:,} to {skipped + len(got.results):,}"
    return f"{shown}{of} {_what(app, asked)}{only} · {formatting.duration(got.seconds)}"


def _what(app: "LiveApp", asked: Asked, *, by: str = "like") -> str:
    if asked.item_id:
        item = session.attempt(app.item, asked.item_id)
        what = f"{by} “{shorten(title_of(item), 80)}”" if isinstance(item, Item) else f"{by} a picture that no longer exists"
    elif asked.picture is None and asked.words:
        return f"for “{shorten(asked.words, 120)}”"
    else:
        what = f"{by} “{shorten(asked.label, 80)}”"
    return f"{what} and “{shorten(asked.words, 120)}”" if asked.words else what


def _share() -> None:
    with st.popover("Share", type="tertiary", icon=":material/share:", key="share"):
        st.caption("This link opens the same search for everyone who can reach this app.")
        query = urlencode(session.address_bar(), doseq=True)
        st.code(f"{(st.context.url or '').split('?')[0]}?{query}", language=None, wrap_lines=True)


def _thumbnail(app: "LiveApp", item_id: int) -> bytes | None:
    picture = session.attempt(app.thumbnail, item_id) if item_id else None
    return picture if isinstance(picture, bytes) else None


def _did_you_mean(app: "LiveApp", words: str) -> None:
    near = session.attempt(app.nearest_words, words) if words else []
    if isinstance(near, list) and near:
        _suggest("Some of these words are new to this collection. Nearest:", near)


def _nothing_found(app: "LiveApp", asked: Asked) -> None:
    if session.result_filter():
        _nothing_among_those(app)
        return
    st.markdown("**Nothing found.** Try fewer or other words, or search with a picture.")
    near = session.attempt(app.nearest_words, asked.words) if asked.words else []
    _suggest("Words of this collection:", near if isinstance(near, list) and near else app.example_queries())


def _nothing_among_those(app: "LiveApp") -> None:
    reason = session.attempt(app.why_nothing, session.result_filter().where)
    if isinstance(reason, str) and reason:
        st.markdown(f"**Nothing is left.** {literal(reason)}")
    else:
        st.markdown("**Nothing is left.** No picture matches the choices under “Narrow down”.")
    st.button("Show all again", key="widen", icon=":material/close:", on_click=session.widen)


def _invitation(app: "LiveApp", total: int, columns: int | None) -> None:
    _suggest("Try", app.example_queries())
    chosen = session.result_filter()
    some = session.attempt(app.items_page, _SHOWN_AT_FIRST, where=chosen.where) if chosen.where else app.page(_SHOWN_AT_FIRST)
    if isinstance(some, CrossmodalError):
        dialogs.show(some)
        return
    if not some:
        _nothing_among_those(app)
        return
    some_of = f"Some of those with {literal(filters.phrase(chosen))}:" if chosen else "Some of them:"
    st.caption(f"{formatting.count(total, 'picture')} to search. {some_of}")
    grid.show(app, some, where="some", columns=columns)


def _suggest(lead: str, queries: list[str]) -> None:
    key = f"suggest-{lead.split()[0].lower()}"
    with st.container(key=key, horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(lead, width="content")
        for number, query in enumerate(queries):
            st.button(
                literal(shorten(query, 60)), key=f"{key}-{number}", type="tertiary", on_click=session.ask_words, args=(query,)
            )


def _offer_address(address: str) -> None:
    with st.container(border=True, key="offer-address"):
        st.text("That is an address. Search by the picture it leads to?")
        st.button(
            "Search by this picture",
            type="primary",
            icon=":material/image_search:",
            on_click=query_form.search_by_address,
            args=(address,),
        )


def _empty_collection() -> None:
    with st.container(border=True, key="empty"):
        st.subheader("The collection is empty")
        st.markdown("Add pictures in the sidebar, or index a folder or a CSV of your own under **Collection**.")
