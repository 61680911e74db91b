"""Adding pictures from files or an address, with previews."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.scriptrunner import RerunException

from crossmodal.errors import CrossmodalError
from crossmodal.items import Picture
from ui import session
from ui.components import dialogs
from ui.components.grid import title_of
from ui.components.query_form import PICTURE_ENDINGS
from ui.formatting import literal, shorten
from ui.navigation import go_to_search
from ui.startup import settings

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from engine.live import LiveApp


_SHOWN = 5


@dataclass(frozen=True)
class Added:
    """Outcome of adding one picture."""

    name: str
    problem: CrossmodalError | None = None
    item_id: int = 0
    created: bool = True
    picture: Picture | None = field(default=None, repr=False)


def keep(outcomes: list[Added]) -> None:
    """Store the outcomes of the last addition in the session."""
    st.session_state.added = outcomes


def show_added(app: "LiveApp") -> None:
    """Show the last addition, if any."""
    outcomes: list[Added] = st.session_state.get("added", [])
    good = [one for one in outcomes if one.problem is None]
    if len(good) > _SHOWN:
        st.caption(f"{len(good):,} pictures added. The last of them:")
    for one in good[-_SHOWN:]:
        _row(app, one)
    for one in outcomes:
        if one.problem is not None:
            dialogs.show(f"{shorten(one.name, 60)}: {one.problem.sentence}")


def _row(app: "LiveApp", one: Added) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"added-{one.item_id}"):
        thumbnail = session.attempt(app.thumbnail, one.item_id)
        if isinstance(thumbnail, bytes):
            st.image(thumbnail, width=44, alt="")
        with st.container(gap=None):
            st.text("Added." if one.created else "Already in the collection.")
            st.caption(literal(shorten(one.name, 60)))
        st.button("Find it", key=f"find-{one.item_id}", on_click=_find, args=(one,))


def _find(one: Added) -> None:
    if one.picture is not None:
        session.ask_picture(one.picture, one.name)
        go_to_search()


Seen = Picture | CrossmodalError
_FILES, _ADDRESS = "Files", "Address"
_PREVIEWS = 4


@st.fragment
def show(app: "LiveApp") -> None:
    """Draw the form in the sidebar. The outcome of the last addition is shown below until the next picture is chosen."""
    st.subheader("Add pictures")
    way = st.segmented_control(
        "Add from", [_FILES, _ADDRESS], default=_FILES, required=True, key="add_way", label_visibility="collapsed", width="stretch"
    )
    rounds = st.session_state.setdefault("add_round", 0)
    with dialogs.shown():
        chosen = _files(app, rounds) if way == _FILES else _address(app, rounds)
        if not chosen:
            show_added(app)


def _files(app: "LiveApp", rounds: int) -> bool:
    files = st.file_uploader(
        "Picture files", type=PICTURE_ENDINGS, accept_multiple_files=True, key=f"add-files-{rounds}", label_visibility="collapsed"
    )
    most = settings().max_upload_files
    if len(files) > most:
        dialogs.show(f"{len(files):,} files at once are too many. Add {most:,} at a time, or index their folder under Collection.")
    elif files:
        _offer_files(app, files, rounds)
    return bool(files)


def _offer_files(app: "LiveApp", files: "list[UploadedFile]", rounds: int) -> None:
    seen = _look(app, {file.file_id: file.getvalue() for file in files[:_PREVIEWS]})
    _previews([(file.name, seen[file.file_id]) for file in files[:_PREVIEWS]], more=len(files) - _PREVIEWS)
    title = _title(rounds) if len(files) == 1 else ""
    usable = len(files) > _PREVIEWS or any(isinstance(picture, Picture) for picture in seen.values())
    label = "Add" if len(files) == 1 else f"Add {len(files)} pictures"
    if st.button(label, type="primary", key="add-files", width="stretch", icon=":material/add:", disabled=not usable):
        _finish(_add_files(app, files, seen, title))


def _address(app: "LiveApp", rounds: int) -> bool:
    typed = st.text_input(
        "Address of a picture", key=f"add-address-{rounds}", placeholder="https:// …", label_visibility="collapsed"
    )
    address = (typed or "").strip()
    if not address:
        st.caption("Paste the picture's own address and press Enter.")
        return False
    with st.spinner("Fetching the picture"):
        seen = _look(app, {address: address})[address]
    _previews([(address, seen)])
    if isinstance(seen, CrossmodalError):
        st.button("Try again", key="add-look-again", icon=":material/refresh:", on_click=_forget)
        return True
    title = _title(rounds)
    if st.button("Add", type="primary", key="add-address", width="stretch", icon=":material/add:"):
        _finish([_add(app, seen, title, address)])
    return True


def _title(rounds: int) -> str:
    return st.text_input("Title (optional)", key=f"add-title-{rounds}", placeholder="What it shows, in a few words") or ""


def _look(app: "LiveApp", images: dict[str, bytes | str]) -> dict[str, Seen]:
    """Decode each picture once, for preview and addition; forgets pictures no longer chosen."""
    known: dict[str, Seen] = st.session_state.get("add_looked", {})
    looked = {key: known[key] if key in known else session.attempt(app.look_at, image) for key, image in images.items()}
    st.session_state.add_looked = looked
    return looked


def _forget() -> None:
    st.session_state.add_looked = {}


def _previews(seen: list[tuple[str, Seen]], *, more: int = 0) -> None:
    good = [(name, picture) for name, picture in seen if isinstance(picture, Picture)]
    if good:
        with st.container(key="previews"), st.grid(min(len(seen), 2), min_column_width=90):
            for name, picture in good:
                st.image(picture.thumbnail, alt=f"Preview of {shorten(name, 100)}", width="stretch")
    for name, problem in seen:
        if isinstance(problem, CrossmodalError):
            dialogs.show(problem if len(seen) == 1 else f"{shorten(name, 60)}: {problem.sentence}")
    if more > 0:
        st.caption(f"and {more:,} more")


def _add_files(app: "LiveApp", files: "list[UploadedFile]", seen: dict[str, Seen], title: str) -> list[Added]:
    """Add all pictures; interactions during the upload wait until it is done."""
    bar = st.progress(0.0, text=f"0 of {len(files):,}")
    outcomes = []
    meanwhile: RerunException | None = None
    for done, file in enumerate(files, start=1):
        picture = seen[file.file_id] if file.file_id in seen else session.attempt(app.look_at, file.getvalue())
        outcomes.append(_add(app, picture, title, file.name))
        if meanwhile is None:
            try:
                bar.progress(done / len(files), text=f"{done:,} of {len(files):,}")
            except RerunException as asked:
                meanwhile = asked
    if meanwhile is not None:
        _keep(outcomes)
        raise meanwhile
    return outcomes


def _add(app: "LiveApp", picture: Seen, title: str, source: str) -> Added:
    if isinstance(picture, CrossmodalError):
        return Added(source, problem=picture)
    outcome = session.attempt(app.add_picture, picture, title.strip() or None, origin=source)
    if isinstance(outcome, CrossmodalError):
        return Added(source, problem=outcome)
    return Added(title_of(outcome.item), item_id=outcome.item.item_id, created=outcome.created, picture=picture)


def _finish(outcomes: list[Added]) -> None:
    """Store the outcomes and rerun the page."""
    _keep(outcomes)
    st.rerun()


def _keep(outcomes: list[Added]) -> None:
    """Store the outcomes and clear the form."""
    keep(outcomes)
    _forget()
    st.session_state.add_round += 1
