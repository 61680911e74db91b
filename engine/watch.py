"""Watch a folder and index its changes."""

import threading
from collections.abc import Callable
from pathlib import Path

from crossmodal.errors import BusyError, SourceError
from crossmodal.ingest.plan import LookAgain
from crossmodal.ingest.sources.folder import PICTURE_SUFFIXES
from crossmodal.progress import OnProgress, Stopped
from engine.live import LiveApp

# How often a stop request is checked, and how long changes are collected, because files often arrive in groups.
_LISTEN_MS = 500
_GATHER_MS = 800


def watch_folder(
    app: LiveApp,
    location: str,
    on_progress: OnProgress,
    stop: threading.Event,
    *,
    say: Callable[[str], None],
    warn: Callable[[str, str], None],
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Index what changes in a folder until `stop` is set: new, changed, renamed and deleted pictures.

    On a change only names are listed again, and only changed files are read. A picture that is read while it is still being
    written fails, and is retried at its next change. After a kill, `index` of the same folder resumes.

    Args:
        say: called with one sentence after each round that changed something.
        warn: called with message and remedy of an error in a round; the watch continues.
        ready: called once, when changes can no longer be missed.

    Raises:
        SourceError: `location` is not a folder of pictures. StoreError: the collection cannot be written.
    """
    from watchfiles import watch

    source = app.tasks.open(location)
    if source.kind != "folder":
        raise SourceError("bad_request", f"{source.label} is not a folder of pictures.", remedy="Only folders can be followed.")
    waiting: frozenset[str] | None = None
    for changes in watch(
        source.folder,
        watch_filter=lambda _change, name: _matters(name),
        stop_event=stop,
        debounce=_GATHER_MS,
        rust_timeout=_LISTEN_MS,
        yield_on_timeout=True,
        raise_interrupt=False,
    ):
        changed = frozenset(_key(source.folder, name) for _, name in changes)
        if waiting is None:  # watching has started: from here on nothing is missed, and the first round reads everything
            if _look(app, location, "files", on_progress, stop, say=say, warn=warn):
                waiting = frozenset()
                ready()
            continue
        waiting |= changed
        if waiting and _look(app, location, waiting, on_progress, stop, say=say, warn=warn):
            waiting = frozenset()


def _look(
    app: LiveApp,
    location: str,
    look_again: LookAgain,
    on_progress: OnProgress,
    stop: threading.Event,
    *,
    say: Callable[[str], None],
    warn: Callable[[str, str], None],
) -> bool:
    """Run one round; False if it must be repeated."""
    before = app.store.version()
    try:
        sentence = app.tasks.index(location, on_progress, stop, look_again=look_again)
    except Stopped:
        return True  # the watch ends too
    except SourceError as error:  # empty or temporarily missing: the collection keeps its items
        warn(error.message, error.remedy)
        return True
    except BusyError as error:
        warn(error.message, error.remedy)
        return False
    if app.store.version() != before:
        say(sentence)
    return True


def _matters(name: str) -> bool:
    """Whether a change is relevant: pictures, their text files, and folders (added or deleted with their contents)."""
    path = Path(name)
    return not path.name.startswith(".") and path.suffix.lower() in {*PICTURE_SUFFIXES, ".txt", ""}


def _key(folder: Path, name: str) -> str:
    try:
        return Path(name).relative_to(folder).as_posix()
    except ValueError:
        return name
