"""Forms of strangers, taken apart within limits."""

import re

from fastapi import Request
from starlette.datastructures import FormData
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from api.answered.errors import UnreadableForm, bad_request
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
    """Raises UnsupportedType for a body whose text is said to be anything but UTF-8: Python would read it by any codec it has."""
    for said in _CHARSET.findall(content_type):
        name = said.strip(' \t"')
        if name.lower() not in _UTF_8:
            raise UnsupportedType("unsupported_format", f"The text of the body is in {name!r:.60}.", remedy="Send it in UTF-8.")


async def form_of(request: Request, kind: str, *, max_files: int) -> FormData:
    """The fields and files of a form of one of `KINDS`; whoever asks for it closes it.

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
