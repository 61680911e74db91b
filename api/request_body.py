"""Reading request bodies: JSON, or a form with the same fields.

FastAPI reads and validates both. Added here is what a hostile body makes necessary: no packed body, of which a few bytes become any number,
and no text but UTF-8, because Python would read any of its codecs; bounds on values, parts and depth; large JSON read beside the event
loop; and a form that breaks off is refused, not taken for a shorter one.
"""

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Container, Iterator
from typing import Annotated, Any, get_args

from fastapi import Form, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, create_model
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from api import schemas
from api.errors import UnreadableForm, bad_request
from api.json_text import value_of
from crossmodal.errors import CrossmodalError, QueryError

MULTIPART = "multipart/form-data"
_FORMS = (MULTIPART, "application/x-www-form-urlencoded")
_JSON = "application/json"
ONE_FILE: Any = {"max_files": 1}
MANY_FILES: Any = {"max_files": 10_000}
"""Replaced by the option `max_upload_files` when a form is read."""
_MAX_FIELDS = 50
_MAX_FIELD_BYTES = 256 * 2**10
_SMALL_BYTES = 16 * 2**10
_FILE_FIELDS = frozenset({"image", "file", "images", "files"})
_REPEATED = frozenset({"captions"})
_UTF_8 = frozenset({"utf-8", "utf8"})
_CHARSET = re.compile(r"charset[^=;]*=([^;]*)", re.IGNORECASE)

Endpoint = Callable[..., Awaitable[Response]]


class UnsupportedType(CrossmodalError):
    """The body is neither JSON nor a form, is compressed, or its text is not UTF-8."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__("unsupported_format", message, remedy=remedy)


class JsonRoute(APIRoute):
    """A route with a JSON body; a missing `Content-Type` counts as JSON."""

    def get_route_handler(self) -> Any:
        """See `APIRoute`."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def checked(request: Request) -> Response:
            _check_encoding(request.headers)
            return await handle(BodyRequest(self._typed(request.scope, _kind_of(request.headers)), request.receive))

        return checked

    def _typed(self, scope: Scope, kind: str) -> Scope:
        """The scope with a content type that FastAPI reads as JSON."""
        if kind != _JSON and not kind.endswith("+json"):
            what = f"The body is of the type {kind:.60}."
            raise UnsupportedType(what, remedy="Send application/json, or multipart/form-data for a file.")
        others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
        return {**scope, "headers": [*others, (b"content-type", _JSON.encode())]}


class FormRoute(JsonRoute):
    """Matches requests with a form; the JSON route of the same path matches the others."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See `starlette.routing.BaseRoute`."""
        if scope["type"] != "http" or _kind_of(Headers(scope=scope)) not in _FORMS:
            return Match.NONE, {}
        return super().matches(scope)

    def _typed(self, scope: Scope, kind: str) -> Scope:  # noqa: ARG002
        return scope


def from_form(endpoint: Endpoint, base: type[BaseModel] = schemas.Form) -> Endpoint:
    """A copy of an endpoint whose parameter `question` is read from a form, with the fields of `base` added."""

    @functools.wraps(endpoint)
    async def read(**given: Any) -> Response:
        return await endpoint(**given)

    signature = inspect.signature(endpoint)
    question = signature.parameters["question"]
    model = get_args(question.annotation)[0]
    form: Any = create_model(f"{model.__name__.removesuffix('Request')}Form", __base__=(model, base))
    parameters = signature.parameters | {"question": question.replace(annotation=Annotated[form, Form(media_type=MULTIPART)])}
    read.__signature__ = signature.replace(parameters=list(parameters.values()))  # type: ignore[attr-defined]
    return read


class BodyRequest(Request):
    """A request whose body is read within bounds. FastAPI wraps what is raised here, see `api.app.install`."""

    async def json(self) -> Any:
        """The value of the body. Raises QueryError `bad_request`, as `api.json_text.value_of`."""
        body = await self.body()
        if len(body) <= _SMALL_BYTES:
            return value_of(body, "The body")
        return await self.app.state.services.workers.run("bodies", value_of, body, "The body")

    async def form(self, *, max_files: float = 0, **_: Any) -> FormData:  # type: ignore[override]
        """The fields and files; a file is in the field `image`, or `images` where several are allowed.

        Raises:
            QueryError: `bad_request`, the form cannot be read, breaks off, has too many parts or one at a wrong place; `text_too_long`.
        """
        many = max_files > 1
        if many:
            max_files = self.app.state.services.options.max_upload_files
        bounds: dict[str, Any] = {"max_fields": _MAX_FIELDS, "max_part_size": _MAX_FIELD_BYTES}
        try:
            if _kind_of(self.headers) == MULTIPART:
                form = await _Parts(self.headers, self.stream(), max_files=max_files, **bounds).whole()
            else:
                form = await FormParser(self.headers, self.stream(), **bounds).parse()
        except MultiPartException as error:
            raise _fault(error.message, int(max_files)) from None
        try:
            known = self.scope["route"].body_field.field_info.annotation.model_fields
            return FormData(list(_placed(form, "images" if many else "image", known)))
        except QueryError:
            await form.close()
            raise


def _placed(form: FormData, field: str, known: Container[str]) -> Iterator[tuple[str, UploadFile | str]]:
    names = set()
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name not in _FILE_FIELDS:
                raise bad_request(f"There is a file in the field {name!r:.40}.", "Send it in the field image.")
            yield field, value
        elif name in _FILE_FIELDS:
            if value:  # a form without a chosen file may have an empty text there
                raise bad_request(f"The field {name} holds a text, not a file.", "Send a file with a file name.")
        elif name in names and name in known and name not in _REPEATED:
            raise bad_request(f"The field {name!r:.40} comes twice.")
        else:
            names.add(name)
            yield name, _EmptyTitle() if name == "title" and not value else value


class _EmptyTitle(str):
    """An empty text that is sent on purpose: an item without a title. FastAPI leaves out form fields that equal an empty text."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class _Parts(MultiPartParser):
    """Starlette's parser, which accepts a truncated form as a shorter one."""

    _ended = False

    def on_end(self) -> None:
        """The closing boundary was read."""
        self._ended = True

    async def whole(self) -> FormData:
        """The form. Raises QueryError if its closing boundary is missing, MultiPartException if it is malformed."""
        form = await self.parse()
        if not self._ended:
            for file in self._files_to_close_on_error:  # including the incomplete one, which is not yet in the form
                file.close()
            raise bad_request("The form breaks off before its closing boundary.", "Send it again, to its end.")
        return form


def _fault(detail: str, max_files: int) -> QueryError:
    """The error for a detail of Starlette's MultiPartException."""
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


def _kind_of(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower() or _JSON


def _check_encoding(headers: Headers) -> None:
    packing = headers.get("content-encoding", "").strip().lower()
    if packing not in ("", "identity"):
        raise UnsupportedType(f"The body is packed as {packing!r:.60}.", remedy="Send it as it is, without Content-Encoding.")
    for declared in _CHARSET.findall(headers.get("content-type", "")):
        name = declared.strip(' \t"')
        if name.lower() not in _UTF_8:
            raise UnsupportedType(f"The text of the body is in {name!r:.60}.", remedy="Send it in UTF-8.")
