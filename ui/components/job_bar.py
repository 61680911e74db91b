"""The bar on every page that shows the running job, with buttons to pause and stop it."""

from typing import TYPE_CHECKING

import streamlit as st

from crossmodal.hub.published import megabytes
from crossmodal.jobs import UNDER_WAY
from crossmodal.progress import DOWNLOAD, Progress
from ui import formatting
from ui.formatting import literal

if TYPE_CHECKING:
    from crossmodal.jobs import JobStatus
    from engine.live import LiveApp

_NAMES = {
    "index": "Indexing",
    "train": "Training",
    "rebuild": "Rebuilding and training",
    "demo": "Preparing the demo",
    "retry": "Trying failed rows again",
    "export": "Exporting",
    "switch": "Switching the model",
    "download": "Fetching a model",
    "measure": "Measuring",
}
_EVERY_S = 1.0
_LOOK_OUT_EVERY_S = 2.0


def show(app: "LiveApp") -> None:
    """Show the running job, or the result of the last one until it is dismissed; otherwise poll for jobs started elsewhere."""
    # Always one container, so that widgets below keep their position and therefore their contents.
    with st.container(key="jobs"):
        _show(app)


def is_running(app: "LiveApp") -> bool:
    """Whether a job is running or paused, so that no second one is offered."""
    status = app.jobs.current()
    return status is not None and status.state in UNDER_WAY


def _show(app: "LiveApp") -> None:
    status = app.jobs.current()
    running = status is not None and status.state in UNDER_WAY
    if status is not None and st.session_state.get("job_closed") != status.started_at:
        with st.container(border=True, key="job"):
            st.fragment(_under_way, run_every=_EVERY_S)(app) if running else _ended(status)
    if not running:
        st.fragment(_look_out, run_every=_LOOK_OUT_EVERY_S)(app, status.job_id if status is not None else None)


def _look_out(app: "LiveApp", shown: str | None) -> None:
    """Rerun the page if a job started or ended in the API or another window."""
    status = app.jobs.current()
    if status is not None and status.job_id != shown:
        st.rerun()


def _under_way(app: "LiveApp") -> None:
    status = app.jobs.current()
    if status is None or status.state not in UNDER_WAY:
        st.rerun()
    progress, paused = status.progress, status.state == "paused"
    with st.container(horizontal=True, vertical_alignment="center"):
        how = "paused; completed work is kept" if paused else "search keeps working meanwhile"
        st.markdown(f"**{_NAMES.get(status.name, 'Working')}** · {how}", width="stretch")
        with st.container(horizontal=True, width="content", gap="small"):
            # A single button, so that it keeps the keyboard focus.
            label, icon, answer = ("Go on", "play", app.resume_job) if paused else ("Pause", "pause", app.pause_job)
            st.button(label, icon=f":material/{icon}_circle:", key="pause-job", on_click=answer)
            st.button("Stop", icon=":material/stop_circle:", key="stop-job", on_click=app.stop_job)
    share = progress.done / progress.total if progress.total else 0.0
    st.progress(min(1.0, share), text=literal(_details(progress, paused=paused)))


def _details(progress: Progress, *, paused: bool) -> str:
    parts = [progress.message]
    if progress.step == DOWNLOAD:  # its message has the bytes
        if progress.rate_per_s and not paused:
            parts.append(f"{megabytes(progress.rate_per_s)}/s")
    elif progress.total and f"{progress.total:,}" not in progress.message:
        parts.append(f"{progress.done:,} of {progress.total:,}")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if paused:
        return " · ".join(parts)
    if progress.rate_per_s and progress.step == "index":
        parts.append(f"{progress.rate_per_s:,.{0 if progress.rate_per_s >= 10 else 1}f} pictures/s")
    if progress.seconds_left is not None:
        parts.append(formatting.left(progress.seconds_left))
    return " · ".join(parts)


def _ended(status: "JobStatus") -> None:
    icon = {"done": ":green[:material/check_circle:]", "stopped": ":gray[:material/stop_circle:]"}.get(
        status.state, ":red[:material/error:]"
    )
    with st.container(horizontal=True, vertical_alignment="center", key="job-ended"):
        st.markdown(icon, width="content")
        st.text(status.message, width="stretch")
        st.button("Close", type="tertiary", icon=":material/close:", key="close-job", on_click=_close, args=(status.started_at,))


def _close(started_at: float) -> None:
    st.session_state.job_closed = started_at
