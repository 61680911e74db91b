"""Bodies of requests: JSON or a form, read into one of the questions."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from api.deps import Services
from api.errors import UnreadableForm, bad_request, invalid
from api.parameters import value_of
from crossmodal.errors import CrossmodalError, QueryError

MULTIPART = "multipart/form-data"
KINDS = (MULTIPART, "application/x-www-form-urlencoded")
_MAX_FIELDS = 50
_MAX_FIELD_BYTES = 256 * 2**10
_UTF_8 = frozenset({"utf-8", "utf8"})
_CHARSET = re.compile(r"charset[^=;]*=([^;]*)", re.IGNORECASE)


class UnsupportedType(CrossmodalError):
    """The body is neither JSON nor a form, is packed, or its text is not UTF-8."""


def check_encoding(content_encoding: str) -> None:
    """Raises UnsupportedType for a packed body: a few bytes of it could become any number."""
    if content_encoding.strip().lower() not in ("", "identity"):
        what = f"The body is packed as {content_encoding!r:.60}."
        raise UnsupportedType("unsupported_format", what, remedy="Send it as it is, without Content-Encoding.")


def check_charset(content_type: str) -> None:
    """Raise UnsupportedType if the declared charset is not UTF-8; Python would otherwise accept any of its codecs."""
    for said in _CHARSET.findall(content_type):
        name = said.strip(' \t"')
        if name.lower() not in _UTF_8:
            raise UnsupportedType("unsupported_format", f"The text of the body is in {name!r:.60}.", remedy="Send it in UTF-8.")


async def form_of(request: Request, kind: str, *, max_files: int) -> FormData:
    """The fields and files of a form of one of `KINDS`; the caller closes it.

    Raises:
        QueryError: `bad_request`, it cannot be read, breaks off, or has too many parts; `text_too_long`, a field.
    """
    try:
        if kind != MULTIPART:
            simple = FormParser(request.headers, request.stream(), max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES)
            return await simple.parse()
        parts = _Parts(
            request.headers, request.stream(), max_files=max_files, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES
        )
        return await parts.whole()
    except MultiPartException as error:
        raise _fault(error.message, max_files) from None


class _Parts(MultiPartParser):
    """The framework's parser, which takes a form that breaks off for a shorter one."""

    _ended = False

    def on_end(self) -> None:
        """The closing boundary came."""
        self._ended = True

    async def whole(self) -> FormData:
        """The form. Raises QueryError when its closing boundary did not come, MultiPartException for what is no form."""
        form = await self.parse()
        if not self._ended:
            for file in self._files_to_close_on_error:  # also the one that was under way, which is no part of the form yet
                file.close()
            raise bad_request("The form breaks off before its closing boundary.", "Send it again, to its end.")
        return form


def _fault(detail: str, max_files: int) -> QueryError:
    """The framework's refusal of a form, in our words."""
    if "exceeded maximum size" in detail:
        what = f"A field of the form has more than {_MAX_FIELD_BYTES // 2**10} KB."
        return QueryError("text_too_long", what, remedy="Shorten it; send a picture with a file name.")
    if detail.startswith("Too many files"):
        if not max_files:
            return UnreadableForm("There is a file in the form, and none is read here.", remedy="Leave it out.")
        files = f"{max_files} files" if max_files > 1 else "one file"
        return UnreadableForm(f"The form has more than {files}.", remedy="POST /api/items/batch takes many.")
    if detail.startswith("Too many fields"):
        return UnreadableForm(f"The form has more than {_MAX_FIELDS} fields.", remedy="Send fewer.")
    return UnreadableForm("The form cannot be read as what its headers say it is.")


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
    door: Services = request.app.state.door
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
