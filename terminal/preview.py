"""Pictures in the terminal, or in the person's own viewer.

Two ways of drawing are known: kitty's graphics protocol ("Terminal graphics protocol", section "The graphics escape code": raw RGB, base64
in pieces of 4,096 characters), which WezTerm and Ghostty speak too, and iTerm2's inline images (OSC 1337, a file in base64).
"""

from __future__ import annotations

import base64
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from terminal import output

if TYPE_CHECKING:
    from crossmodal.items import Pixels, SearchResult
    from resident.client import NearApp
    from upkeep.live_app import LiveApp

_ROWS = 8
_SQUARE_PX = 192
_PIECE = 4096


def protocol(environment: Mapping[str, str]) -> str:
    """`kitty`, `iterm2`, or empty for a terminal that shows no pictures (or hides behind tmux or screen, which keep them back)."""
    program = environment.get("TERM_PROGRAM", "").lower()
    if environment.get("TMUX") or environment.get("TERM", "").startswith(("screen", "tmux")):
        return ""
    if environment.get("KITTY_WINDOW_ID") or "kitty" in environment.get("TERM", "") or program in ("ghostty", "wezterm"):
        return "kitty"
    if program == "iterm.app" or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    return ""


def show(results: Sequence[SearchResult], app: LiveApp) -> None:
    """Draw each result's thumbnail under its rank and title; one clear line where that is impossible."""
    spoken = protocol(os.environ) if output.is_terminal() else ""
    if not spoken:
        output.note("This terminal shows no pictures (kitty, WezTerm, Ghostty and iTerm2 do). Use --open to see the best one.")
        return
    for each in results:
        output.plain(f"{each.rank}. {output.cell(each.item.title)}")
        thumbnail = app.thumbnail(each.item.item_id)
        if spoken == "kitty":
            sys.stdout.write(kitty(app.decoder.decode(thumbnail, square_px=_SQUARE_PX).pixels))
        else:
            sys.stdout.write(iterm2(thumbnail))
        sys.stdout.write("\n")
    sys.stdout.flush()


def kitty(pixels: Pixels) -> str:
    """(height, width, 3) uint8 as the escape codes that draw it, eight lines high."""
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
    """A picture file as the escape code that draws it, eight lines high."""
    data = base64.standard_b64encode(picture).decode()
    return f"\033]1337;File=inline=1;size={len(picture)};height={_ROWS};preserveAspectRatio=1:{data}\a"


def open_best(result: SearchResult, app: LiveApp | NearApp) -> None:
    """Write the stored picture of a result to a file of the system's temporary folder and open that in the viewer."""
    import typer

    folder = Path(tempfile.mkdtemp(prefix="visual-search-"))
    path = folder / f"{result.item.item_id}.jpg"
    path.write_bytes(app.rendition(result.item.item_id))
    if typer.launch(str(path)):
        output.note(f"No viewer could be started. The picture is {path}")
