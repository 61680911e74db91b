"""Bodies of requests: JSON or a form, read into one of the questions."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile

from api.errors import bad_request, invalid
from crossmodal.errors import CrossmodalError

FILE_FIELDS = ("image", "file", "images", "files")
_JSON_FIELDS = frozenset({"where", "attributes"})
_REPEATED = frozenset({"captions"})
_MAX_FIELDS = 50
_MAX_FIELD_BYTES = 4 * 2**20

Model = TypeVar("Model", bound=BaseModel)


class Upload(NamedTuple):
    """A file of a form. The name is shown, never used as a path."""

    name: str
    data: bytes


class UnsupportedType(CrossmodalError):
    """The body is neither JSON nor a form."""


async def read(request: Request, model: type[Model], *, max_files: int = 1) -> tuple[Model, list[Upload]]:
    """The question of a request, and the files that came with it.

    Raises:
        QueryError: `bad_request`, the body or one of its fields is not as documented.
        UnsupportedType: it is neither JSON nor a form.
    """
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        fields, uploads = await _form(request, max_files, frozenset(model.model_fields))
        return _checked(model, fields, strict=False), uploads
    if kind != "application/json" and not kind.endswith("+json"):
        what = f"The body is of the type {kind:.60}."
        raise UnsupportedType("unsupported_format", what, remedy="Send application/json, or multipart/form-data for a file.")
    return _checked(model, _json(await request.body(), "The body"), strict=True), []


def _checked(model: type[Model], data: Any, *, strict: bool) -> Model:
    try:
        return model.model_validate(data, strict=strict)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_context=False)) from None  # type: ignore[arg-type]


def _json(text: bytes | str, what: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise bad_request(f"{what} is nested too deeply.") from None
    except ValueError:  # also for text that is no UTF-8, and for numbers of thousands of digits
        raise bad_request(f"{what} is not JSON.") from None


async def _form(request: Request, max_files: int, known: frozenset[str]) -> tuple[dict[str, Any], list[Upload]]:
    async with request.form(max_files=max_files, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES) as form:
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
                fields[name] = _json(value, f"The field {name}") if name in _JSON_FIELDS else value
        return fields, uploads


def one_source(uploads: Sequence[Upload], *named: object) -> None:
    """Raises QueryError `bad_request` unless exactly one picture is named or sent."""
    given = len(uploads) + sum(value is not None for value in named)
    if given != 1:
        what = "No picture is named or sent." if not given else f"{given} pictures are named or sent."
        raise bad_request(what, "Give exactly one: image_id, image_url, or a file in the field image.")
