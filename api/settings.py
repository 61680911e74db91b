"""Bounds and permissions of a running API, from the settings."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from config import Settings
from crossmodal.errors import QueryError

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Host names of a loopback server; a request with any other is a DNS rebinding attack."""

DOCS_PATHS = frozenset({"/", "/docs", "/docs/oauth2-redirect", "/openapi.json"})
DOCS_PREFIX = "/static-offline-docs/"

MAX_TOP_K = 1_000
MAX_OFFSET = 10_000
MAX_SIZE_PX = 2_048

OPEN_RATE = 1_200
"""Requests per minute and client if the server is reachable from other computers and no other rate is set."""
BODIES = 4
"""How many of the largest bodies may be in memory at once."""
MIN_KEY_CHARS = 16
SWITCH_S = 0.001
"""The interpreter's switch interval: with its default of 5 ms, busy threads delay `/health` too long."""


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Bounds and permissions of one API.

    Attributes:
        keys: each request but `GET /health` and the documentation must carry one of these; empty requires none.
        cors_origins: web origins whose pages may call the API from a browser.
        hosts: names the server may be called by; empty takes any, which is right only with a key.
        allow_paths: whether an import job may name a folder or file of the server.
        export_dir: the folder of exports; None offers none.
        max_question_bytes, max_json_bytes, max_body_bytes: largest JSON of a single search, largest JSON, and largest body of any kind.
        max_bodies_bytes: total size of the bodies of all concurrent requests; beyond it requests get 503.
        max_header_bytes: total size of the headers.
        max_concurrent: concurrent requests; more get 503.
        requests_per_minute: per client; None sets no limit.
        max_upload_files: pictures in one request.
        body_timeout_s: longest time for a body to arrive.
        request_timeout_s: longest time until an answer begins.
        count_timeout_s: longest time that `/health` and `/metrics` wait for the current number of items before they return the last known.
        thumbnail_px, rendition_px: long sides of what the store keeps.
        docs: whether `/docs` and `/openapi.json` are served.
        root_path: ASGI's `root_path` of all requests, such as `/photos`, with which paths in answers begin.
    """

    keys: tuple[str, ...] = field(default=(), repr=False)
    cors_origins: tuple[str, ...] = ()
    hosts: frozenset[str] = LOOPBACK_NAMES
    allow_paths: bool = True
    export_dir: Path | None = None
    max_question_bytes: int = 128 * 2**10
    max_json_bytes: int = 4 * 2**20
    max_body_bytes: int = 64 * 2**20
    max_bodies_bytes: int = 256 * 2**20
    max_header_bytes: int = 32 * 2**10
    max_concurrent: int = 64
    requests_per_minute: int | None = None
    max_upload_files: int = 200
    body_timeout_s: float = 30.0
    request_timeout_s: float = 60.0
    count_timeout_s: float = 0.05
    thumbnail_px: int = 256
    rendition_px: int = 512
    docs: bool = True
    root_path: str = ""


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach a server bound to this address. Any name but localhost counts as open."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def name_of(host: str) -> str:
    """The name of a server at this address in the header `Host`."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower()
    return f"[{address}]" if address.version == 6 else str(address)


def options_from(settings: Settings) -> ApiOptions:
    """The options that follow from the settings.

    Raises:
        QueryError: `bad_request`, the address is open to others and there is no key, or one too short to be secret; `*` among the CORS
            origins.
    """
    local = is_loopback(settings.api_host)
    if not local and not settings.api_keys:
        what = f"The API would listen on {settings.api_host}, open to other computers, without a key."
        raise QueryError("bad_request", what, remedy="Set CROSSMODAL_API_KEYS, or leave CROSSMODAL_API_HOST at 127.0.0.1.")
    if any(len(key) < MIN_KEY_CHARS for key in settings.api_keys):
        what = f"A key of the API is shorter than {MIN_KEY_CHARS} characters."
        raise QueryError(
            "bad_request", what, remedy="python -c 'import secrets; print(secrets.token_urlsafe(24))' prints a good one."
        )
    if "*" in settings.api_cors_origins:
        raise QueryError(
            "bad_request", "CORS origins are listed one by one, not as *.", remedy="Name the origins, as https://example.org."
        )
    return ApiOptions(
        keys=settings.api_keys,
        cors_origins=tuple(origin.lower().rstrip("/") for origin in settings.api_cors_origins),
        hosts=_hosts(settings, local=local),
        allow_paths=local if settings.api_allow_paths is None else settings.api_allow_paths,
        export_dir=settings.data_dir / "exports",
        max_body_bytes=settings.api_max_body_bytes,
        max_bodies_bytes=BODIES * settings.api_max_body_bytes,
        max_concurrent=settings.api_max_concurrent,
        requests_per_minute=(None if local else OPEN_RATE)
        if settings.api_requests_per_minute is None
        else settings.api_requests_per_minute,
        max_upload_files=settings.max_upload_files,
        body_timeout_s=settings.api_body_timeout_s,
        request_timeout_s=settings.api_request_timeout_s,
        thumbnail_px=settings.thumbnail_px,
        rendition_px=settings.rendition_px,
        docs=settings.api_docs,
    )


def _hosts(settings: Settings, *, local: bool) -> frozenset[str]:
    named = frozenset(name.lower() for name in settings.api_hosts)
    # By its own names it can always be called: a health check does so from inside.
    own = LOOPBACK_NAMES | {name_of(settings.api_host)} if local else LOOPBACK_NAMES
    return own | named if local or named else named
