"""What came of a question: the question itself, how many and how fast, and the pictures; or what to do when there are none."""

from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import streamlit as st

from crossmodal.items import Item
from ui import notice, query_box, state, tiles, wording
from ui.literal import literal, shorten
from ui.searching import Answer, answer, is_address
from ui.titles import title_of

if TYPE_CHECKING:
    from live_app import LiveApp

_SHOWN_AT_FIRST = 10


def show(app: "LiveApp", *, top_k: int, columns: int | None) -> None:
    """The answer to what the visitor asked, or an invitation to ask."""
    tiles.undo_bar(app)
    total = app.count()
    asked = state.query()
    if not total:
        _empty_collection()
    elif asked is None:
        _invitation(app, total, columns)
    elif asked.words and is_address(asked.words):
        _offer_address(asked.words.strip())
    else:
        _answered(app, asked, answer(app, asked, top_k=top_k), total, columns)


def _answered(app: "LiveApp", asked: state.Query, got: Answer, total: int, columns: int | None) -> None:
    _header(app, asked, got, total)
    if got.problem is not None:
        notice.show(got.problem)
    elif not got.results:
        _nothing_found(app, asked)
    else:
        hints = st.container()  # filled last: looking for like-sounding words may take longer than the search
        tiles.show(app, [r.item for r in got.results], where="found", scores=[r.score for r in got.results], columns=columns)
        with hints:
            _did_you_mean(app, asked.words)


def _header(app: "LiveApp", asked: state.Query, got: Answer, total: int) -> None:
    with st.container(key="asked", horizontal=True, vertical_alignment="center", gap="small"):
        picture = asked.picture.thumbnail if asked.picture else _thumbnail(app, asked.item_id)
        if picture is not None:
            st.image(picture, width=64, alt="The picture that was searched with")
        st.text(_sentence(app, asked, got, total), width="stretch")
        with st.container(horizontal=True, width="content", gap="xsmall"):
            if asked.words:
                _share(asked.words)
            st.button("Clear", key="clear", type="tertiary", icon=":material/close:", on_click=state.clear)


def _sentence(app: "LiveApp", asked: state.Query, got: Answer, total: int) -> str:
    if asked.item_id:
        item = state.attempt(app.item, asked.item_id)
        what = f"like “{shorten(title_of(item), 80)}”" if isinstance(item, Item) else "like a picture that is gone"
    elif asked.words:
        what = f"for “{shorten(asked.words, 120)}”"
    else:
        what = f"like “{shorten(asked.label, 80)}”"
    if got.problem is not None:
        return f"Could not search {what}"
    return f"{len(got.results):,} of {total:,} {what} · {wording.duration(got.seconds)}"


def _share(words: str) -> None:
    with st.popover("Share", type="tertiary", icon=":material/share:", key="share"):
        st.caption("This link opens the same search, for everybody who can reach this app.")
        st.code(f"{(st.context.url or '').split('?')[0]}?q={quote_plus(words)}", language=None, wrap_lines=True)


def _thumbnail(app: "LiveApp", item_id: int) -> bytes | None:
    picture = state.attempt(app.thumbnail, item_id) if item_id else None
    return picture if isinstance(picture, bytes) else None


def _did_you_mean(app: "LiveApp", words: str) -> None:
    near = state.attempt(app.nearest_words, words) if words else []
    if isinstance(near, list) and near:
        _suggest("Some of these words are new to this collection. Nearest:", near)


def _nothing_found(app: "LiveApp", asked: state.Query) -> None:
    st.markdown("**Nothing found.** Try fewer or other words, or search with a picture.")
    near = state.attempt(app.nearest_words, asked.words) if asked.words else []
    _suggest("Words of this collection:", near if isinstance(near, list) and near else app.example_queries())


def _invitation(app: "LiveApp", total: int, columns: int | None) -> None:
    _suggest("Try", app.example_queries())
    st.caption(f"{wording.count(total, 'picture')} to search. Some of them:")
    tiles.show(app, app.page(_SHOWN_AT_FIRST), where="some", columns=columns)


def _suggest(lead: str, queries: list[str]) -> None:
    key = f"suggest-{lead.split()[0].lower()}"
    with st.container(key=key, horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(lead, width="content")
        for number, query in enumerate(queries):
            st.button(literal(shorten(query, 60)), key=f"{key}-{number}", type="tertiary", on_click=state.ask_words, args=(query,))


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
