"""`add`: bring single pictures in by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from crossmodal.errors import CrossmodalError
from terminal import asked, exits, output
from terminal.answers import item_as_dict
from terminal.interrupts import stop_on_interrupt
from terminal.opening import nearest_app
from terminal.options import Json, Quiet, Verbose, attributes_of
from terminal.progress_bar import ProgressBar


def add(
    pictures: Annotated[list[str], typer.Argument(help='Picture files, web addresses, or "-" for the standard input.')],
    title: Annotated[str | None, typer.Option(help="Title; without it the file's name in words.")] = None,
    caption: Annotated[list[str] | None, typer.Option("--caption", help="A caption; repeat it for several.")] = None,
    attribute: Annotated[
        list[str] | None, typer.Option("--attribute", "-a", metavar="NAME=VALUE", help="An attribute; repeat it for several.")
    ] = None,
    source: Annotated[str, typer.Option(help="Where the picture came from; shown, never opened.")] = "",
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Add pictures; each is on the disk, and found by every search, when its line appears.

    In a pipe: id, "added" or "known", title, with tabs between. A picture that is refused is said, and the others are added all the same.
    """
    output.prepare(quiet=quiet, verbose=verbose)
    attributes = attributes_of(attribute)
    added, refused = [], 0
    with stop_on_interrupt() as stop, ProgressBar(quiet=quiet) as told, nearest_app(told, fill=False) as app:
        for word in pictures:
            if stop.is_set():
                raise typer.Exit(exits.STOPPED)
            try:
                image = asked.picture(word, max_bytes=app.limits.max_image_bytes)
                outcome = app.add_new_item(
                    image,
                    _title_of(word) if title is None else title,
                    source=source or ("" if word == asked.STANDARD_INPUT else word),
                    captions=caption or (),
                    attributes=attributes,
                )
            except CrossmodalError as error:
                refused, last = refused + 1, error
                output.complain(f"{word}: {error.message}", error.remedy)
                continue
            added.append({"created": outcome.created, **item_as_dict(outcome.item)})
            if not as_json:
                state = "added" if outcome.created else "known"
                output.plain(f"{outcome.item.item_id}\t{state}\t{output.cell(outcome.item.title)}")
    if as_json:
        output.as_json({"items": added, "refused": refused})
    if refused:
        raise typer.Exit(exits.exit_code(last))


def _title_of(word: str) -> str | None:
    if word == asked.STANDARD_INPUT:
        return None
    from crossmodal.ingest.wording import title_from_location

    return title_from_location(word)
