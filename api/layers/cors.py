"""Pages of listed origins: what lets them read every answer, refusals too, and what tells them beforehand what they may ask.

The framework's middleware does both in one place, which would have to lie outside the gate for the one, and inside for the other: nobody
who called the server by a foreign name is to be told what may be asked here.
"""

from typing import Any

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.answered.answers import Json
from api.answered.errors import said
from api.options import ApiOptions
from crossmodal.errors import AccessError


def cors_terms(options: ApiOptions) -> dict[str, Any]:
    """What both take."""
    return {
        "allow_origins": list(options.cors_origins),
        "allow_methods": ["GET", "HEAD", "POST", "PATCH", "DELETE"],
        "allow_headers": ["Content-Type", "X-API-Key", "Authorization", "X-Error-Shape", "If-None-Match", "Range"],
        "expose_headers": ["Allow", "Content-Disposition", "Content-Range", "ETag", "Location", "Retry-After", "X-Request-ID"],
    }


class Readable(CORSMiddleware):
    """Lets a listed page read whatever is answered; answers nothing itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            await self.simple_response(scope, receive, send, request_headers=Headers(scope=scope))
        else:
            await self.app(scope, receive, send)


class Preflight(CORSMiddleware):
    """Answers whether a page may ask what it is about to ask; passes everything else on as it is."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if scope.get("method") == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers:
            await self.preflight_response(headers)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """As the framework, with a refusal in our shape."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        what = f"Pages of {request_headers['origin']!r:.80} may not ask this."
        error = AccessError("forbidden", what, remedy="Its owner can list that origin; see which methods and headers are allowed.")
        kept = {name: value for name, value in answer.headers.items() if name.startswith("access-control-") or name == "vary"}
        return Json({"error": said(error)}, status_code=error.http_status, headers=kept)
