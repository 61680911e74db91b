"""`search`: search by words, by a picture (a file, a URL, standard input), or by both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from commands import _app, _console, _options
from commands._console import captions_as_json, results_as_json, show_captions, show_results
from commands._open import nearest_app, opened_app
from commands._options import Json, Quiet, Verbose, Where, id_of, where_of, why_nothing
from commands._progress import ProgressBar

if TYPE_CHECKING:
    from api.client import RemoteApp
    from crossmodal.items import Item
    from engine.live import LiveApp
    from engine.query import SearchAnswer


def search(
    query: Annotated[
        list[str] | None,
        typer.Argument(help='Words; or a picture file, a web address, or "-" for a picture on the standard input.'),
    ] = None,
    and_image: Annotated[
        str | None, typer.Option("--and-image", "-i", metavar="PICTURE", help="A picture to combine with the words.")
    ] = None,
    weight: Annotated[
        float | None, typer.Option(help="With words and a picture: the picture's share, 0 to 1; by default 0.5.")
    ] = None,
    item: Annotated[str | None, typer.Option(metavar="ID", help="More like this item of the collection, also with words.")] = None,
    captions_for: Annotated[
        str | None, typer.Option("--captions-for", metavar="PICTURE", help="Find captions that fit a picture.")
    ] = None,
    where: Where = None,
    top: Annotated[int, typer.Option("--top", "-k", "--limit", "-n", help="Maximum number of results.")] = 5,
    offset: Annotated[int, typer.Option(help="Skip this many of the best results.")] = 0,
    min_score: Annotated[float | None, typer.Option(help="Minimum score, -1 to 1.")] = None,
    signal: Annotated[
        str,
        typer.Option(
            metavar="SIGNAL", help="What words find pictures by: words (of titles and captions), likeness, or both joined."
        ),
    ] = "joined",
    duplicates: Annotated[
        bool, typer.Option("--duplicates", help="Return every item with the same picture file instead of only the best one.")
    ] = False,
    text: Annotated[bool, typer.Option("--text", help="Treat the query as words, even if it names a picture.")] = False,
    as_json: Json = False,
    open_best: Annotated[bool, typer.Option("--open", help="Open the best match in your image viewer.")] = False,
    show: Annotated[
        bool, typer.Option("--preview", help="Show the pictures in the terminal, if supported (kitty, WezTerm, Ghostty, iTerm2).")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find pictures by words, by a similar picture, or by both.

    The query picture is excluded from the results.

    In a pipe each result is one line: rank, score, id, title, catalogue and source, separated by tabs. Exits with 1 if nothing is found.

    A seventh column says what found it: words, likeness or both.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    words = None if query is None else " ".join(query)
    by_picture = words is not None and not text and _options.names_a_picture(words)
    if captions_for is None and words is None and item is None:
        raise typer.BadParameter("Give one thing to search for: a query, --item or --captions-for.")
    if captions_for is not None and (words is not None or item is not None):
        raise typer.BadParameter("Give one thing to search for: a query, --item or --captions-for.")
    if and_image is not None and (words is None or by_picture):
        raise typer.BadParameter("--and-image requires words.")
    if item is not None and (by_picture or and_image is not None):
        raise typer.BadParameter("--item is a picture: combine it with words, not with another picture.")
    if weight is not None and (words is None or (and_image is None and item is None)):
        raise typer.BadParameter("--weight requires words and a picture (--and-image or --item).")
    if captions_for is not None and (where or min_score is not None or offset):
        raise typer.BadParameter("--captions-for takes no filter, minimum score or offset.")
    for picture in (words if by_picture else None, and_image, captions_for):
        if picture is not None:  # report before a model is loaded or trained
            _options.check(picture, **({"remedy": _options.AS_WORDS} if picture is words else {}))
    item_id, wanted = None if item is None else id_of(item), where_of(where)
    opened = opened_app if show else nearest_app  # drawing in a terminal requires the pixels, which the remote app does not provide
    with ProgressBar(quiet=quiet) as progress, opened(progress) as app:
        if captions_for is not None:
            found = app.captions_for_image(_picture(app, captions_for), top)
            (captions_as_json if as_json else show_captions)(found)
            if not found:
                raise typer.Exit(_app.NOTHING)
            return
        from engine.query import Query

        image = words if by_picture else and_image
        asked = Query(
            None if by_picture else words,
            None if image is None else _picture(app, image),
            item_id,
            0.5 if weight is None else weight,
            wanted,
            min_score,
            top,
            offset,
            not duplicates,
            signal=signal,  # type: ignore[arg-type]  # validated with the rest of the query
        )
        answer = app.search(asked)
        if as_json:
            results_as_json(answer.results)
        elif answer.results:
            show_results(answer.results)
        if not quiet and not as_json:
            _hint(app, words if asked.image is None and item_id is None else None, answer, wanted)
            if asked.image is not None and answer.hidden:
                _console.note(_have(answer.hidden))
        if show and not as_json:
            _console.show(answer.results, cast("LiveApp", app))
        if open_best and answer.results:
            _console.open_best(answer.results[0], app)
    if not answer.results:
        raise typer.Exit(_app.NOTHING)


def _picture(app: LiveApp | RemoteApp, word: str) -> bytes | Path | str:
    return _options.picture(word, max_bytes=app.limits.max_image_bytes)


def _have(items: list[Item]) -> str:
    """A sentence that names the items with the query picture."""
    ids = ", ".join(str(item.item_id) for item in items[:_NAMED])
    return f"The collection has this very picture: {'item' if len(items) == 1 else 'items'} {ids}{' …' if len(items) > _NAMED else ''}."


def _hint(app: LiveApp | RemoteApp, words: str | None, answer: SearchAnswer, where: dict[str, list[str]] | None) -> None:
    """Print hints: words that no title contains, similar words, why nothing was found."""
    rather = _options.rather(words) if words is not None else ""
    if rather:
        _console.note(rather)
    elif words is not None:
        unknown = [word for word in app.unknown_words(words) if any(letter.isalnum() for letter in word)]
        if unknown:
            near = app.nearest_words(words)
            meant = f" Similar words here: {', '.join(near)}." if near else ""
            _console.note(f"No title here has {', '.join(_console.cell(word) for word in unknown[:5])}.{meant}")
    if not answer.results:
        _console.note(why_nothing(where))


_NAMED = 5
