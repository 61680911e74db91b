"""Options shared by several commands."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, get_type_hints

import typer

from commands import _console
from commands._open import opened_store
from crossmodal.errors import PictureError, QueryError, SourceError, StoreMissing
from crossmodal.installation import COMMAND

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also print the log and tracebacks of errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        metavar="NAME=VALUE",
        help="Only items with this attribute. Repeatable: different names must all match, several values of one name are alternatives. "
        "catalogue=… filters by source.",
    ),
]

Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"] | None,
    typer.Option(metavar="DEVICE", help="auto (a CUDA GPU where there is one), cpu, cuda or mps. Without it: CROSSMODAL_DEVICE."),
]
ALL_PICTURES = 1_000_000
Side = Annotated[
    Literal["test", "validation", "train", "all"],
    typer.Option(metavar="SIDE", help="Which side of the split: test, validation, train or all."),
]


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Let parameters of a command that are dataclasses stand for one option per field.

    Typer sees the fields in place of the parameter; the command receives the dataclass. Every field needs a default.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)}
    parameters: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if name in groups:
            kinds = get_type_hints(groups[name], include_extras=True)
            parameters += [
                Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=kinds[field.name])
                for field in fields(groups[name])
            ]
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[name]))

    @wraps(command)
    def run(**values: Any) -> None:
        chosen = {name: group(**{field.name: values.pop(field.name) for field in fields(group)}) for name, group in groups.items()}
        command(**values, **chosen)

    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def filter_of(pairs: Sequence[str] | None) -> dict[str, list[str]] | None:
    """Convert `["colour=red", "colour=blue"]` to `{"colour": ["red", "blue"]}`; None for no pairs.

    Raises:
        QueryError: `bad_request`: "=" or the name before it is missing.
    """
    found: dict[str, list[str]] = {}
    for name, value in map(_pair, pairs or ()):
        found.setdefault(name, []).append(value)
    return found or None


def attributes_of(pairs: Sequence[str] | None) -> dict[str, str]:
    """Convert `["colour=red"]` to `{"colour": "red"}`.

    Raises:
        QueryError: `bad_request` as in `filter_of`, or if a name occurs twice, since an item has one value of each.
    """
    found: dict[str, str] = {}
    for name, value in map(_pair, pairs or ()):
        if name in found:
            what = f'The attribute "{name:.60}" is given twice: an item has one value of each.'
            raise QueryError("bad_request", what, remedy="Give it once.")
        found[name] = value
    return found


def id_of(word: str) -> int:
    """Parse an item id, written as in a table or, in double quotes, as in JSON. Raises QueryError `bad_request` if it is invalid."""
    digits = word[1:-1] if len(word) > 1 and word[0] == word[-1] == '"' else word
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits) < 2**63):
        raise QueryError("bad_request", f'"{digits:.40}" is not the id of an item.', remedy=f"Look it up: {COMMAND} list")
    return int(digits)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise QueryError("bad_request", f'"{text:.60}" is not NAME=VALUE.', remedy="Write it like colour=red.")
    return name.strip(), value.strip()


STANDARD_INPUT = "-"
AS_WORDS = "Check its name, or use --text to search for it as words."
"""Remedy for a missing file where words are possible, too."""
# As in `crossmodal.ingest.sources.folder`; repeated here to avoid that import when parsing the command line.
_PICTURES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".heic", ".heif", ".avif", ".tif", ".tiff"}
)


def is_address(word: str) -> bool:
    """Whether a word is a web address."""
    return word.lower().startswith(("http://", "https://"))


def names_a_picture(word: str) -> bool:
    """Whether a query is a picture rather than text: a web address, `-`, or the name of a picture file.

    Any word with the suffix of a picture file counts as a file, so that a mistyped name is an error instead of a text search.
    """
    return word == STANDARD_INPUT or is_address(word) or Path(word).suffix.lower() in _PICTURES


def check(word: str, *, remedy: str = "Check its name.") -> None:
    """Raise if a picture file does not exist; URLs and standard input are checked later.

    Args:
        remedy: remedy of the error.

    Raises:
        SourceError: file_missing.
    """
    if word == STANDARD_INPUT or is_address(word):
        return
    path = Path(word).expanduser()
    if path.is_dir():
        what, remedy = f"{_console.cell(word)} is a folder.", f"Index all its pictures: {COMMAND} index {shlex.quote(word)}"
        raise SourceError("file_missing", what, remedy=remedy)
    if not path.is_file():
        raise SourceError("file_missing", f'There is no file "{word:.200}".', remedy=remedy)


def is_there(word: str) -> bool:
    """Whether `check` accepts the argument."""
    try:
        check(word)
    except SourceError:
        return False
    return True


def picture(word: str, *, max_bytes: int) -> bytes | Path | str:
    """Convert a word to what the app accepts as a picture: bytes from standard input, a URL as text, a file as a path.

    Raises:
        SourceError: file_missing. PictureError: too_large.
    """
    if word == STANDARD_INPUT:
        data = sys.stdin.buffer.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise PictureError(
                "too_large", f"The standard input is larger than {max_bytes / 2**20:,.0f} MiB.", remedy="Make it smaller."
            )
        return data
    check(word)
    return word if is_address(word) else Path(word).expanduser()


def rather(words: str) -> str:
    """A hint if a text query is also a file or folder on this computer; otherwise empty."""
    if words.lower().startswith("file:"):
        return "A file:// address was searched for as words. To search by a picture, give its path."
    try:
        path = Path(words).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError, ValueError):  # too long for a path, or no home folder: plain words
        return ""
    if is_folder:
        hint = f"{_console.cell(words)} is also a folder here; it was searched for as words."
        return f"{hint} To index its pictures: {COMMAND} index {shlex.quote(words)}"
    if is_file:
        hint = f"{_console.cell(words)} is also a file here; it was searched for as words."
        return f"{hint} To search by the picture in it: {COMMAND} search - < {shlex.quote(words)}"
    return ""


_CATALOGUE = "catalogue"
_EMPTY = f"The collection is empty. Add pictures: {COMMAND} index YOUR_PICTURES"
_NAMED = 5


def where_of(pairs: Sequence[str] | None) -> dict[str, list[str]] | None:
    """The filter given by `--where`; catalogue names may be shortened, see `whole_name`.

    Raises:
        QueryError: `bad_request`: a pair is not NAME=VALUE, or a short name matches several catalogues.
    """
    where = filter_of(pairs)
    if where is None or _CATALOGUE not in where:
        return where
    try:
        with opened_store() as store:
            known = list(store.sources.counts())
    except StoreMissing:
        return where
    return where | {_CATALOGUE: [whole_name(name, known) for name in where[_CATALOGUE]]}


def whole_name(name: str, known: Collection[str]) -> str:
    """The full name of a catalogue, given by its name, the last part of it, or the folder of a table; an unknown name is returned as it is.

    Raises:
        QueryError: `bad_request`: several match.
    """
    if name in known:
        return name
    meant = [each for each in known if name in (PurePath(each).name, PurePath(each).stem)]
    meant = meant or [each for each in known if PurePath(each).suffix and PurePath(each).parent.name == name]
    if len(meant) > 1:
        names = ", ".join(_console.cell(each) for each in meant[:_NAMED])
        raise QueryError("bad_request", f'Several catalogues end in "{name:.60}": {names}.', remedy="Give the full name of one.")
    return meant[0] if meant else name


def why_nothing(where: dict[str, list[str]] | None) -> str:
    """One sentence that explains an empty result: the collection is empty, or it lacks an attribute or catalogue of the filter."""
    from engine.query import unknown_names

    try:
        with opened_store() as store:
            if not store.items.count():
                return _EMPTY
            attributes, catalogues = unknown_names(store, where or {})
            known = list(store.sources.counts())
    except StoreMissing:
        return "Nothing was found."
    if attributes:
        names = ", ".join(f'"{_console.cell(name)}"' for name in attributes[:_NAMED])
        return f"Nothing was found: no item has an attribute {names}. See what there is: {COMMAND} list --attributes"
    if catalogues:
        names = ", ".join(_console.cell(name) for name in known[:_NAMED])
        return f"Nothing was found: there is no such catalogue. There are: {names}."
    return "Nothing was found."
