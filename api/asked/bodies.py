"""Bodies of requests: JSON or a form, read into one of the questions."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile

from api.answered.errors import bad_request
from api.answered.faults import invalid
from api.asked.forms import KINDS, MULTIPART, UnsupportedType, check_charset, check_encoding, form_of
from api.asked.json_text import value_of
from api.door import Door

FILE_FIELDS = ("image", "file", "images", "files")
_JSON_FIELDS = frozenset({"where", "attributes"})
_REPEATED = frozenset({"captions"})
_SMALL_BYTES = 16 * 2**10

Model = TypeVar("Model", bound=BaseModel)


class Upload(NamedTuple):
    """A file of a form. The name is shown, never used as a path."""

    name: str
    data: bytes


async def read(request: Request, model: type[Model], *, max_files: int = 0) -> tuple[Model, list[Upload]]:
    """The question of a request, and the files that came with it; one more than `max_files` is refused, never passed over.

    Raises:
        QueryError: `bad_request`, the body or one of its fields is not as documented; `text_too_long`, a field of a form.
        UnsupportedType: it is neither JSON nor a form, is packed, or its text is not in UTF-8.
    """
    kind = _kind_of(request)
    check_encoding(request.headers.get("content-encoding", ""))
    check_charset(request.headers.get("content-type", ""))
    if kind in KINDS:
        form = await form_of(request, kind, max_files=max_files)
        try:
            fields, uploads = await _fields_and_files(form, frozenset(model.model_fields))
        finally:
            await form.close()
        return _checked(model, fields, strict=False), uploads
    if kind != "application/json" and not kind.endswith("+json"):
        what = f"The body is of the type {kind:.60}."
        raise UnsupportedType("unsupported_format", what, remedy="Send application/json, or multipart/form-data for a file.")
    body = await request.body()
    if len(body) <= _SMALL_BYTES:
        return _question(model, body), []
    door: Door = request.app.state.door
    return await door.workers.run("bodies", _question, model, body), []


def is_form(request: Request) -> bool:
    """Whether the body is a form with files."""
    return _kind_of(request) == MULTIPART


def _kind_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() or "application/json"


def _question(model: type[Model], body: bytes) -> Model:
    return _checked(model, value_of(body, "The body"), strict=True)


def _checked(model: type[Model], data: Any, *, strict: bool) -> Model:
    try:
        return model.model_validate(data, strict=strict)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False)) from None


async def _fields_and_files(form: FormData, known: frozenset[str]) -> tuple[dict[str, Any], list[Upload]]:
    fields: dict[str, Any] = {}
    uploads = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name not in FILE_FIELDS:
                raise bad_request(f"There is a file in the field {name!r:.40}.", "Send it in the field image.")
            uploads.append(Upload(value.filename or "", await value.read()))
        elif name in FILE_FIELDS:
            raise bad_request(f"The field {name} holds a text, not a file.", "Send a file with a file name.")
        elif name in _REPEATED:
            fields.setdefault(name, []).append(value)
        elif name in fields and name in known:
            raise bad_request(f"The field {name!r:.40} comes twice.")
        else:
            fields[name] = value_of(value.encode("utf-8", "surrogatepass"), f"The field {name}") if name in _JSON_FIELDS else value
    return fields, uploads


def one_source(uploads: Sequence[Upload], **named: object) -> None:
    """Raises QueryError `bad_request` unless exactly one picture is sent, or named in one of these fields."""
    given = len(uploads) + sum(value is not None for value in named.values())
    if given != 1:
        what = "No picture is named or sent." if not given else f"{given} pictures are named or sent."
        raise bad_request(what, f"Give exactly one: {', '.join(named)}, or a file in the field image.")
