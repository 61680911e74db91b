"""Files of the data folder on their way to a client."""

from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable
from starlette.types import Receive, Scope, Send

from api.answered.errors import bad_request, error_response
from crossmodal.errors import QueryError

MEDIA_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".npy": "application/octet-stream",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
"""By the suffix of an export."""


class Download(FileResponse):
    """A file as an attachment, whole or in the parts that a header `Range` names; a wrong one is refused in our shape.

    Raises:
        QueryError: `not_found`, the file was deleted meanwhile.
    """

    def __init__(self, path: Path) -> None:
        try:
            about = path.stat()
        except FileNotFoundError:
            raise QueryError("not_found", f"There is no export {path.name!r:.60} any more.", remedy="It was deleted.") from None
        headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
        super().__init__(path, filename=path.name, media_type=MEDIA_TYPES[path.suffix], headers=headers, stat_result=about)
        self._size = about.st_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope.get("state", {}).get("wants_head"):
            scope = {**scope, "method": "HEAD"}
        wanted = self._wanted(Headers(scope=scope))
        if wanted is None:
            scope = {**scope, "headers": [each for each in scope["headers"] if each[0] != b"range"]}
        else:
            try:
                self._parse_range_header(wanted, self._size)
            except MalformedRangeHeader:
                error = bad_request("The header Range cannot be understood.", "Send bytes=0-99, for instance, or leave it out.")
                await error_response(error, scope, status=400)(scope, receive, send)
                return
            except RangeNotSatisfiable:
                error = bad_request(f"The file has {self._size:,} bytes, and the header Range begins after them.", "Ask for less.")
                answer = error_response(error, scope, status=416, headers=[("Content-Range", f"bytes */{self._size}")])
                await answer(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def _wanted(self, headers: Headers) -> str | None:
        """The header `Range` where it counts: HTTP passes over an unknown unit, and parts of a file that is another one by now."""
        wanted, unless = headers.get("range"), headers.get("if-range")
        unit, equals, _ = (wanted or "").partition("=")
        if (equals and unit.strip().lower() != "bytes") or (unless is not None and not self._should_use_range(unless)):
            return None
        return wanted
