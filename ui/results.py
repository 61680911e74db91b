"""What came of a question: the question itself, how many and how fast, and the pictures; or what to do when there are none."""

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.items import Item
from ui import captions, narrow, notice, query_box, state, steps, tiles, together, wording
from ui.literal import literal, shorten
from ui.question import Query
from ui.searching import Answer, answer, is_address
from ui.titles import title_of

if TYPE_CHECKING:
    from upkeep.live_app import LiveApp

_SHOWN_AT_FIRST = 10


def show(app: "LiveApp", *, top_k: int, columns: int | None) -> None:
    """The answer to what the visitor asked, or an invitation to ask."""
    tiles.undo_bar(app)
    total = app.count()
    asked = state.query()
    if not total:
        _empty_collection()
        return
    narrow.show(app)
    if asked is None:
        _invitation(app, total, columns)
    elif is_address(asked.words) and not asked.shows:
        _offer_address(asked.words.strip())
    else:
        _answered(app, asked, answer(app, asked, state.narrowing(), top_k=top_k), columns)


def _answered(app: "LiveApp", asked: Query, got: Answer, columns: int | None) -> None:
    _header(app, asked, got)
    together.show(asked)
    if got.problem is not None:
        notice.show(got.problem)
    elif not got.results:
        _nothing_found(app, asked)
    else:
        hints = st.container()  # filled last: looking for like-sounding words may take longer than the search
        tiles.show(app, [r.item for r in got.results], where="found", scores=[r.score for r in got.results], columns=columns)
        with hints:
            _did_you_mean(app, "" if asked.shows else asked.words)
    if got.problem is None:
        captions.show(app, asked)


def _header(app: "LiveApp", asked: Query, got: Answer) -> None:
    with st.container(key="asked", horizontal=True, vertical_alignment="center", gap="small"):
        picture = asked.picture.thumbnail if asked.picture else _thumbnail(app, asked.item_id)
        if picture is not None:
            st.image(picture, width=64, alt="The picture that was searched with")
        st.text(_sentence(app, asked, got), width="stretch")
        with st.container(horizontal=True, width="content", gap="xsmall"):
            if asked.picture is None and (asked.words or asked.item_id):
                _share()
            st.button("Clear", key="clear", type="tertiary", icon=":material/close:", on_click=steps.clear)


def _sentence(app: "LiveApp", asked: Query, got: Answer) -> str:
    if got.problem is not None:
        return f"Could not search {_what(app, asked, by='by')}"
    narrowing = state.narrowing()
    total = state.attempt(app.count, where=narrowing.where) if narrowing.where else app.count()
    of = f" of {total:,}" if isinstance(total, int) else ""
    only = f", {narrow.phrase(narrowing)}" if narrowing else ""
    return f"{len(got.results):,}{of} {_what(app, asked)}{only} · {wording.duration(got.seconds)}"


def _what(app: "LiveApp", asked: Query, *, by: str = "like") -> str:
    if asked.item_id:
        item = state.attempt(app.item, asked.item_id)
        what = f"{by} “{shorten(title_of(item), 80)}”" if isinstance(item, Item) else f"{by} a picture that is gone"
    elif asked.picture is None and asked.words:
        return f"for “{shorten(asked.words, 120)}”"
    else:
        what = f"{by} “{shorten(asked.label, 80)}”"
    return f"{what} and “{shorten(asked.words, 120)}”" if asked.words else what


def _share() -> None:
    with st.popover("Share", type="tertiary", icon=":material/share:", key="share"):
        st.caption("This link opens the same search, for everybody who can reach this app.")
        query = urlencode(steps.address_bar(), doseq=True)
        st.code(f"{(st.context.url or '').split('?')[0]}?{query}", language=None, wrap_lines=True)


def _thumbnail(app: "LiveApp", item_id: int) -> bytes | None:
    picture = state.attempt(app.thumbnail, item_id) if item_id else None
    return picture if isinstance(picture, bytes) else None


def _did_you_mean(app: "LiveApp", words: str) -> None:
    near = state.attempt(app.nearest_words, words) if words else []
    if isinstance(near, list) and near:
        _suggest("Some of these words are new to this collection. Nearest:", near)


def _nothing_found(app: "LiveApp", asked: Query) -> None:
    if state.narrowing():
        _nothing_among_those()
        return
    st.markdown("**Nothing found.** Try fewer or other words, or search with a picture.")
    near = state.attempt(app.nearest_words, asked.words) if asked.words else []
    _suggest("Words of this collection:", near if isinstance(near, list) and near else app.example_queries())


def _nothing_among_those() -> None:
    st.markdown("**Nothing is left.** No picture passes what was chosen under “Narrow down”.")
    st.button("Show all again", key="widen", icon=":material/close:", on_click=steps.widen)


def _invitation(app: "LiveApp", total: int, columns: int | None) -> None:
    _suggest("Try", app.example_queries())
    narrowing = state.narrowing()
    some = state.attempt(app.items_page, _SHOWN_AT_FIRST, where=narrowing.where) if narrowing.where else app.page(_SHOWN_AT_FIRST)
    if isinstance(some, CrossmodalError):
        notice.show(some)
        return
    if not some:
        _nothing_among_those()
        return
    some_of = f"Some of those with {literal(narrow.phrase(narrowing))}:" if narrowing else "Some of them:"
    st.caption(f"{wording.count(total, 'picture')} to search. {some_of}")
    tiles.show(app, some, where="some", columns=columns)


def _suggest(lead: str, queries: list[str]) -> None:
    key = f"suggest-{lead.split()[0].lower()}"
    with st.container(key=key, horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(lead, width="content")
        for number, query in enumerate(queries):
            st.button(literal(shorten(query, 60)), key=f"{key}-{number}", type="tertiary", on_click=steps.ask_words, args=(query,))


def _offer_address(address: str) -> None:
    with st.container(border=True, key="offer-address"):
        st.text("That is an address. Search by the picture it leads to?")
        st.button(
            "Search by this picture",
            type="primary",
            icon=":material/image_search:",
            on_click=query_box.search_by_address,
            args=(address,),
        )


def _empty_collection() -> None:
    with st.container(border=True, key="empty"):
        st.subheader("The collection is empty")
        st.markdown("Add pictures in the sidebar, or index a folder or a CSV of your own under **Collection**.")
