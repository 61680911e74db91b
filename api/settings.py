"""What a running API allows: read from the settings here, handed in everywhere below."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from config import Settings
from crossmodal.errors import QueryError

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Names a browser of this computer may call a loopback server by; any other name is a rebinding attack."""

DOCS_PATHS = frozenset({"/", "/docs", "/docs/oauth2-redirect", "/openapi.json"})
DOCS_PREFIX = "/static-offline-docs/"

MAX_TOP_K = 1_000
MAX_OFFSET = 10_000
MAX_SIZE_PX = 2_048

OPEN_RATE = 1_200
"""Requests a minute of one client, where others than this computer can come and the settings say nothing else."""
BODIES = 4
"""How many of the largest bodies may be in memory at once."""
MIN_KEY_CHARS = 16
SWITCH_S = 0.001
"""How long one thread may hold up the event loop with Python code; the interpreter's own 5 ms add up to a slow `/health`."""


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Bounds and permissions of one API.

    Attributes:
        keys: any one of these must come with each request but `GET /health` and the documentation; none asks for none.
        cors_origins: web origins whose pages may call the API from a browser.
        hosts: names the server may be called by; empty takes any, which is right only with a key.
        allow_paths: whether an import job may name a folder or file of this computer.
        export_dir: where export jobs write, and what `GET /api/exports/{name}` reads; None offers no exports.
        max_question_bytes, max_json_bytes, max_body_bytes: largest JSON that asks for one thing, largest JSON, and largest body of any
            kind.
        max_bodies_bytes: bodies of all requests under way together; a request that brings more is told to come again.
        max_header_bytes: all header lines together.
        max_concurrent: requests under way at once; more are told to come again.
        requests_per_minute: of one client; None counts none.
        max_upload_files: pictures in one request.
        body_timeout_s: longest time for a body to arrive.
        request_timeout_s: longest time until an answer begins.
        count_timeout_s: longest time that `/health` and `/metrics` wait for the current number of items; then they give the last known.
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
    """What a client calls a server at this address by, in the header `Host`."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower()
    return f"[{address}]" if address.version == 6 else str(address)


def options_from(settings: Settings) -> ApiOptions:
    """What the settings allow.

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
