"""Access checks: host name, origin, API key; and CORS."""

import hmac
from collections.abc import Iterable
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Json, bad_request, error_response, path_of, said
from api.settings import DOCS_PATHS, DOCS_PREFIX, ApiOptions
from crossmodal.errors import AccessError, CrossmodalError

ALWAYS_OPEN = frozenset({"/health"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """Refuses requests with a foreign host name (DNS rebinding) or from a foreign page (forgery), or that carry too many headers or
    two lengths (smuggling), or lack a valid API key when one is required."""

    def __init__(self, app: ASGIApp, options: ApiOptions) -> None:
        self._app = app
        self._options = options
        self._keys = [_digest(key) for key in options.keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if size > self._options.max_header_bytes:
            too_long = bad_request(f"The headers have {size:,} bytes.", "Send fewer.")
            await error_response(too_long, scope, status=431)(scope, receive, send)
            return
        if (
            b"transfer-encoding" in headers and b"content-length" in headers
        ):  # a proxy may take the body to end elsewhere (request smuggling)
            twofold = bad_request("The length of the body is said twice.", "Send Content-Length or Transfer-Encoding.")
            await error_response(twofold, scope, status=400, headers=[("Connection", "close")])(scope, receive, send)
            return
        error = self._foreign(headers, scope["method"]) or self._without_key(headers, scope)
        if error is None:
            await self._app(scope, receive, send)
            return
        challenge = [("WWW-Authenticate", "Bearer")] if error.code == "unauthorized" else []
        status = 400 if error.code == "bad_request" else None
        await error_response(error, scope, status=status, headers=challenge)(scope, receive, send)

    def _foreign(self, headers: dict[bytes, bytes], method: str) -> CrossmodalError | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._options.hosts and _name_of(host) not in self._options.hosts:
            return bad_request(f"This server is not called {host!r:.80}.", "Call it by its own name, such as 127.0.0.1.")
        origin = headers.get(b"origin")
        if origin is None or method in _SAFE_METHODS:
            return None
        said = origin.decode("latin-1").lower()
        if said in self._options.cors_origins or _place_of(said) == host:
            return None
        return AccessError(
            "forbidden", f"Pages of {said!r:.80} may not change anything here.", remedy="Its owner can list that origin."
        )

    def _without_key(self, headers: dict[bytes, bytes], scope: Scope) -> CrossmodalError | None:
        path = path_of(scope)
        key = key_of(headers)
        if self._keys and _is_one_of(key, self._keys):
            scope.setdefault("state", {})["client_key"] = _digest(key).hex()  # whom `api.middleware.limits` counts
            return None
        preflight = scope["method"] == "OPTIONS" and b"access-control-request-method" in headers
        if not self._keys or preflight or path in ALWAYS_OPEN or (self._options.docs and _is_documentation(path)):
            return None
        what = "This request carries no valid key."
        return AccessError("unauthorized", what, remedy="Send it as X-API-Key, or as Authorization: Bearer.")


def _is_documentation(path: str) -> bool:
    return path in DOCS_PATHS or path.startswith(DOCS_PREFIX)


def key_of(headers: dict[bytes, bytes]) -> bytes:
    """The key of a request; empty if there is none."""
    bearer = headers.get(b"authorization", b"")
    return headers.get(b"x-api-key") or (bearer[7:].strip() if bearer[:7].lower() == b"bearer " else b"")


def _is_one_of(key: bytes, digests: Iterable[bytes]) -> bool:
    """In constant time."""
    given = _digest(key)
    return bool(key) & any([hmac.compare_digest(given, digest) for digest in digests])  # noqa: C419  all of them, always


def _digest(key: str | bytes) -> bytes:
    return sha256(key.encode() if isinstance(key, str) else key).digest()


def _place_of(origin: str) -> str | None:
    """Host and port of an origin; None if it is not a URL."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _name_of(host: str) -> str:
    """The host without its port; an IPv6 address keeps its brackets."""
    return host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]


def cors_terms(options: ApiOptions) -> dict[str, Any]:
    """Arguments of both CORS middlewares."""
    return {
        "allow_origins": list(options.cors_origins),
        "allow_methods": ["GET", "HEAD", "POST", "PATCH", "DELETE"],
        "allow_headers": ["Content-Type", "X-API-Key", "Authorization", "X-Error-Shape", "If-None-Match", "Range"],
        "expose_headers": ["Allow", "Content-Disposition", "Content-Range", "ETag", "Location", "Retry-After", "X-Request-ID"],
    }


class Readable(CORSMiddleware):
    """Adds CORS headers for listed origins to every response."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            await self.simple_response(scope, receive, send, request_headers=Headers(scope=scope))
        else:
            await self.app(scope, receive, send)


class Preflight(CORSMiddleware):
    """Answers CORS preflight requests; passes everything else on."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if scope.get("method") == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers:
            await self.preflight_response(headers)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """As Starlette, with a refusal in the documented shape."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        what = f"Pages of {request_headers['origin']!r:.80} may not ask this."
        error = AccessError("forbidden", what, remedy="Its owner can list that origin; see which methods and headers are allowed.")
        kept = {name: value for name, value in answer.headers.items() if name.startswith("access-control-") or name == "vary"}
        return Json({"error": said(error)}, status_code=error.http_status, headers=kept)
