"""`search`: by words, by a picture (a file, an address, the standard input), or by both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from commands import _app, _console, _options
from commands._console import captions_as_json, results_as_json, show_captions, show_results
from commands._open import nearest_app, opened_app
from commands._options import Json, Quiet, Verbose, Where, id_of, narrowed, why_nothing
from commands._progress import ProgressBar
from crossmodal.errors import QueryError

if TYPE_CHECKING:
    from crossmodal.items import SearchResult
    from engine.live import LiveApp
    from ipc.client import RemoteApp


def search(
    query: Annotated[
        str | None, typer.Argument(help='Words; or a picture file, a web address, or "-" for a picture on the standard input.')
    ] = None,
    and_image: Annotated[
        str | None, typer.Option("--and-image", "-i", metavar="PICTURE", help="Words and a picture together: the picture.")
    ] = None,
    weight: Annotated[
        float | None, typer.Option(help="With --and-image: the picture's share, 0 to 1; without it half and half.")
    ] = None,
    item: Annotated[str | None, typer.Option(metavar="ID", help="More like this item of the collection.")] = None,
    captions_for: Annotated[
        str | None, typer.Option("--captions-for", metavar="PICTURE", help="Captions that fit a picture, instead of pictures.")
    ] = None,
    where: Where = None,
    top: Annotated[int, typer.Option("--top", "-k", help="Results at most.")] = 5,
    min_score: Annotated[float | None, typer.Option(help="Lowest score that counts, -1 to 1.")] = None,
    text: Annotated[bool, typer.Option("--text", help="Take the query as words, whatever it looks like.")] = False,
    as_json: Json = False,
    open_best: Annotated[bool, typer.Option("--open", help="Open the best picture in your viewer.")] = False,
    show: Annotated[
        bool, typer.Option("--preview", help="Show the pictures in the terminal, where it can (kitty, WezTerm, Ghostty, iTerm2).")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find pictures by words, by a similar picture, or by both.

    In a pipe each result is one line: rank, score, id, title, catalogue and source, with tabs between. Ends with 1 when nothing was found.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    if sum(value is not None for value in (query, item, captions_for)) != 1:
        raise typer.BadParameter("Say one thing to look for: a query, --item or --captions-for.")
    asks_by_picture = query is not None and not text and _options.names_a_picture(query)
    if and_image is not None and (query is None or asks_by_picture):
        raise typer.BadParameter("--and-image goes together with words.")
    if weight is not None and and_image is None:
        raise typer.BadParameter("--weight is the share of the picture in --and-image, which is not there.")
    if captions_for is not None and (where or min_score is not None):
        raise typer.BadParameter("--captions-for takes no filter and no lowest score.")
    for picture in (query if asks_by_picture else None, and_image, captions_for):
        if picture is not None:  # said before a model is loaded, or even made
            _options.check(picture, **({"remedy": _options.AS_WORDS} if picture is query else {}))
    number, conditions = None if item is None else id_of(item), narrowed(where)
    opened = opened_app if show else nearest_app  # drawing in a terminal takes the pixels, which only an app of one's own has
    with ProgressBar(quiet=quiet) as told, opened(told) as app:
        if captions_for is not None:
            found = app.captions_for_image(_picture(app, captions_for), top)
            (captions_as_json if as_json else show_captions)(found)
            if not found:
                raise typer.Exit(_app.NOTHING)
            return
        results = _results(
            app,
            query,
            by_picture=asks_by_picture,
            and_image=and_image,
            weight=0.5 if weight is None else weight,
            item=number,
            top=top,
            where=conditions,
            min_score=min_score,
        )
        if as_json:
            results_as_json(results)
        elif results:
            show_results(results)
        if not quiet and not as_json:
            _hint(app, None if asks_by_picture or number is not None else query, results, conditions)
        if show and not as_json:
            _console.show(results, cast("LiveApp", app))
        if open_best and results:
            _console.open_best(results[0], app)
    if not results:
        raise typer.Exit(_app.NOTHING)


def _results(
    app: LiveApp | RemoteApp,
    query: str | None,
    *,
    by_picture: bool,
    and_image: str | None,
    weight: float,
    item: int | None,
    top: int,
    where: dict[str, list[str]] | None,
    min_score: float | None,
) -> Sequence[SearchResult]:
    if item is not None:
        return app.search_by_item(item, top, where=where, min_score=min_score)
    if query is None:
        raise QueryError("text_empty", "There is nothing to look for.", remedy="Name words or a picture.")
    if and_image is not None:
        return app.search_by_both(query, _picture(app, and_image), top, weight=weight, where=where, min_score=min_score)
    if by_picture:
        return app.search_by_image(_picture(app, query), top, where=where, min_score=min_score)
    return app.search_by_text(query, top, where=where, min_score=min_score)


def _picture(app: LiveApp | RemoteApp, word: str) -> bytes | Path | str:
    return _options.picture(word, max_bytes=app.limits.max_image_bytes)


def _hint(app: LiveApp | RemoteApp, words: str | None, results: Sequence[SearchResult], where: dict[str, list[str]] | None) -> None:
    """What may help a search along: words that no title has, what was perhaps meant, why nothing was found."""
    rather = _options.rather(words) if words is not None else ""
    if rather:
        _console.note(rather)
    elif words is not None:
        unknown = [word for word in app.unknown_words(words) if any(letter.isalnum() for letter in word)]
        if unknown:
            near = app.nearest_words(words)
            meant = f" Similar words here: {', '.join(near)}." if near else ""
            _console.note(f"No title here has {', '.join(_console.cell(word) for word in unknown[:5])}.{meant}")
    if not results:
        _console.note(why_nothing(where))
