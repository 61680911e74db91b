"""Output of commands: results to standard output, everything else to standard error; tables on a terminal, plain lines in a pipe."""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmodal.text.cleaning import display_text

_LONGEST_CELL = 500
_SHORTENED = 60
# Libraries whose debug logs are of no use here.
_TALKATIVE = ("urllib3", "asyncio", "PIL", "watchfiles", "torch", "matplotlib")


class _ErrorOutput(logging.Handler):
    """Writes the log to the current standard error, even after it was replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        note(self.format(record))


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def open_closed_streams() -> None:
    """Open standard streams that were closed before the start (`>&-`) on the null device; call once, before opening anything else.

    Otherwise the first file opened, such as the store, gets the stream's descriptor, and library output would be written into it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open to the end


def prepare(*, quiet: bool = False, verbose: bool = False) -> None:
    """Set up encoding errors and log level; call once at the start of a command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    root = logging.getLogger()
    root.setLevel(logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING)
    if not any(isinstance(handler, _ErrorOutput) for handler in root.handlers):
        root.addHandler(_ErrorOutput())
    for name in _TALKATIVE:
        talker = logging.getLogger(name)
        talker.setLevel(max(talker.level, logging.WARNING))  # quieter levels are deliberate: URLs may contain keys


def cell(value: object) -> str:
    """A value as one line of visible text; untrusted titles can neither move the cursor nor add a column."""
    return display_text(str(value), max_chars=_LONGEST_CELL)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[str] = ()) -> None:
    """Print rows: a table on a terminal, tab-separated lines without a header in a pipe.

    Args:
        numbers: columns to align right.
    """
    if not is_terminal():
        for row in rows:
            plain("\t".join(cell(value) for value in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for name in columns:
        drawn.add_column(name, justify="right" if name in numbers else "left", overflow="fold", no_wrap=name in numbers)
    for row in rows:
        drawn.add_row(*(Text(display_text(str(value), max_chars=_SHORTENED)) for value in row))
    Console().print(drawn)


def plain(line: str) -> None:
    """Print one line of a result."""
    sys.stdout.write(line + "\n")


def answer_now(line: str) -> None:
    """Print one line of a long-running result and flush it."""
    plain(line)
    sys.stdout.flush()


def as_json(value: Any) -> None:
    """Print a result as one JSON document."""
    plain(json.dumps(value, ensure_ascii=False, indent=2 if is_terminal() else None))


def note(line: str) -> None:
    """Print a line to standard error, unless `--quiet` is given."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def complain(message: str, remedy: str = "") -> None:
    """Print an error and its remedy to standard error."""
    note(f"Error: {cell(message)}" + (f" {cell(remedy)}" if remedy else ""))


if TYPE_CHECKING:
    from api.client import RemoteApp
    from crossmodal.items import CaptionResult, Item, Pixels, SearchResult
    from engine.live import LiveApp


def item_as_dict(item: Item) -> dict[str, Any]:
    """An item as in JSON output; its id is a string, as in the API."""
    return {
        "item_id": str(item.item_id),
        "title": item.title,
        "catalogue": item.source,
        "source": item.origin,
        "captions": list(item.captions),
        "attributes": dict(item.attributes),
        "width_px": item.width_px,
        "height_px": item.height_px,
        "content_hash": item.content_hash,
        "added_at": item.added_at,
    }


def _shown(score: float) -> str:
    """A score in a table. Rounded to the six decimals of the API first, so that a running app gives the same digits."""
    return f"{round(score, 6):.4f}"


def show_results(results: Sequence[SearchResult]) -> None:
    """Print one line per result: rank, score, id, title, catalogue, source, found by."""
    rows = [
        (each.rank, _shown(each.score), each.item.item_id, each.item.title, each.item.source, each.item.origin, each.found_by)
        for each in results
    ]
    table(("rank", "score", "id", "title", "catalogue", "source", "found by"), rows, numbers=("rank", "score", "id"))


def results_as_json(results: Sequence[SearchResult]) -> None:
    """`{"results": [...]}`, best first; an empty list for none."""
    found = [
        {"rank": each.rank, "score": round(each.score, 6), "found_by": each.found_by, **item_as_dict(each.item)} for each in results
    ]
    as_json({"results": found})


def show_captions(results: Sequence[CaptionResult]) -> None:
    """Print one line per caption: rank, score, id, caption."""
    rows = [(each.rank, _shown(each.score), each.item.item_id, each.caption) for each in results]
    table(("rank", "score", "id", "caption"), rows, numbers=("rank", "score", "id"))


def captions_as_json(results: Sequence[CaptionResult]) -> None:
    """`{"captions": [...]}`, best first; an empty list for none."""
    found = [
        {"rank": each.rank, "score": round(each.score, 6), "caption": each.caption, "item_id": str(each.item.item_id)}
        for each in results
    ]
    as_json({"captions": found})


def show_items(items: Sequence[Item]) -> None:
    """Print one line per item: id, title, catalogue, attributes, date added, source."""
    rows = [
        (
            item.item_id,
            item.title,
            item.source,
            ", ".join(f"{name}={value}" for name, value in item.attributes.items()),
            datetime.fromtimestamp(item.added_at).strftime("%Y-%m-%d %H:%M"),
            item.origin,
        )
        for item in items
    ]
    table(("id", "title", "catalogue", "attributes", "added", "source"), rows, numbers=("id",))


_ROWS = 8
_SQUARE_PX = 192
_PIECE = 4096


def protocol(environment: Mapping[str, str]) -> str:
    """The terminal's graphics protocol, `kitty` or `iterm2`; empty if it has none (or runs in tmux or screen, which filter it)."""
    program = environment.get("TERM_PROGRAM", "").lower()
    if environment.get("TMUX") or environment.get("TERM", "").startswith(("screen", "tmux")):
        return ""
    if environment.get("KITTY_WINDOW_ID") or "kitty" in environment.get("TERM", "") or program in ("ghostty", "wezterm"):
        return "kitty"
    if program == "iterm.app" or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    return ""


def show(results: Sequence[SearchResult], app: LiveApp) -> None:
    """Draw each result's thumbnail under its rank and title, or print a note if the terminal cannot."""
    spoken = protocol(os.environ) if is_terminal() else ""
    if not spoken:
        note("This terminal shows no pictures (kitty, WezTerm, Ghostty and iTerm2 do). Use --open to see the best one.")
        return
    for each in results:
        plain(f"{each.rank}. {cell(each.item.title)}")
        thumbnail = app.thumbnail(each.item.item_id)
        if spoken == "kitty":
            sys.stdout.write(kitty(app.decoder.decode(thumbnail, square_px=_SQUARE_PX).pixels))
        else:
            sys.stdout.write(iterm2(thumbnail))
        sys.stdout.write("\n")
    sys.stdout.flush()


def kitty(pixels: Pixels) -> str:
    """Escape codes that draw (height, width, 3) uint8 pixels, eight lines high."""
    height, width = pixels.shape[:2]
    data = base64.standard_b64encode(pixels.tobytes()).decode()
    pieces = [data[start : start + _PIECE] for start in range(0, len(data), _PIECE)]
    codes = []
    for number, piece in enumerate(pieces):
        more = int(number + 1 < len(pieces))
        about = f"a=T,f=24,s={width},v={height},r={_ROWS},m={more}" if number == 0 else f"m={more}"
        codes.append(f"\033_G{about};{piece}\033\\")
    return "".join(codes)


def iterm2(picture: bytes) -> str:
    """Escape code that draws a picture file, eight lines high."""
    data = base64.standard_b64encode(picture).decode()
    return f"\033]1337;File=inline=1;size={len(picture)};height={_ROWS};preserveAspectRatio=1:{data}\a"


def open_best(result: SearchResult, app: LiveApp | RemoteApp) -> None:
    """Write the stored picture of a result to a temporary file and open it in the viewer."""
    import typer

    folder = Path(tempfile.mkdtemp(prefix="visual-search-"))
    path = folder / f"{result.item.item_id}.jpg"
    path.write_bytes(app.rendition(result.item.item_id))
    if typer.launch(str(path)):
        note(f"No viewer could be started. The picture is {path}")
