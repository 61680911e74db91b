"""`add`: add single pictures."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from commands import _app, _console, _options
from commands._app import stop_on_interrupt
from commands._console import item_as_dict
from commands._open import nearest_app
from commands._options import Json, Quiet, Verbose, attributes_of
from commands._progress import ProgressBar
from crossmodal.errors import CrossmodalError
from crossmodal.installation import COMMAND

if TYPE_CHECKING:
    from api.client import RemoteApp
    from crossmodal.items import AddOutcome, Item
    from engine.live import LiveApp


def add(
    pictures: Annotated[list[str], typer.Argument(help='Picture files, web addresses, or "-" for the standard input.')],
    title: Annotated[str | None, typer.Option(help="Title; by default derived from the file name.")] = None,
    caption: Annotated[list[str] | None, typer.Option("--caption", help="A caption; repeat it for several.")] = None,
    attribute: Annotated[
        list[str] | None, typer.Option("--attribute", "-a", metavar="NAME=VALUE", help="An attribute; repeat it for several.")
    ] = None,
    source: Annotated[str, typer.Option(help="Where the picture came from; displayed, never opened.")] = "",
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Add pictures; each is stored durably and searchable when its line appears.

    In a pipe: id, "added" or "known", title, separated by tabs. A picture that is refused is reported, and the others are added.
    If the same file is already in the collection, your words are joined to its own; use "edit" to replace them.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    details = _Details(title, tuple(caption or ()), attributes_of(attribute), source)
    added: list[AddOutcome] = []
    refused: list[CrossmodalError] = []
    with stop_on_interrupt() as stop, ProgressBar(quiet=quiet) as progress, ExitStack() as opened:
        # If no picture exists, fail without loading a model.
        app = opened.enter_context(nearest_app(progress, fill=False)) if any(map(_options.is_there, pictures)) else None
        for word in pictures:
            if stop.is_set():
                raise typer.Exit(_app.STOPPED)
            try:
                _options.check(word)
                if app is not None:
                    added.append(_added(app, word, details))
            except CrossmodalError as error:
                refused.append(error)
                _console.complain(f"{word}: {error.message}", error.remedy)
                continue
            _say(added[-1], details, as_json=as_json, quiet=quiet)
    if as_json:
        items = [{"created": outcome.created, **item_as_dict(outcome.item)} for outcome in added]
        _console.as_json({"items": items, "refused": len(refused)})
    if refused:
        raise typer.Exit(_app.exit_code(refused[-1]))


class _Details(NamedTuple):
    """Title, captions and attributes given by the options."""

    title: str | None
    captions: tuple[str, ...]
    attributes: dict[str, str]
    source: str

    def is_met_by(self, item: Item) -> bool:
        """Whether an item has the given details."""
        return (
            self.title in (None, item.title)
            and {*self.captions} <= {*item.captions}
            and self.attributes.items() <= dict(item.attributes).items()
        )


def _added(app: LiveApp | RemoteApp, word: str, details: _Details) -> AddOutcome:
    return app.add_new_item(
        _options.picture(word, max_bytes=app.limits.max_image_bytes),
        _title_of(word) if details.title is None else details.title,
        origin=details.source or ("" if word == _options.STANDARD_INPUT else word),
        captions=details.captions,
        attributes=details.attributes,
    )


def _say(outcome: AddOutcome, details: _Details, *, as_json: bool, quiet: bool) -> None:
    item = outcome.item
    if not as_json:
        _console.plain(f"{item.item_id}\t{'added' if outcome.created else 'known'}\t{_console.cell(item.title)}")
    if not outcome.created and not quiet and not details.is_met_by(item):
        _console.note(
            f"Item {item.item_id} is already in the collection and keeps its title and attributes; a new title was added to its captions. "
            f"To change them: {COMMAND} edit {item.item_id} --title ... --attribute NAME=VALUE"
        )


def _title_of(word: str) -> str | None:
    if word == _options.STANDARD_INPUT:
        return None
    from crossmodal.text.cleaning import title_from_location

    return title_from_location(word)
