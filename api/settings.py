"""What a running API allows: values handed in, so that nothing below reads settings."""

from dataclasses import dataclass, field
from pathlib import Path

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Names a browser of this computer may call a loopback server by; any other name is a rebinding attack."""

MAX_TOP_K = 1_000
MAX_CAPTIONS = 100
MAX_SIZE_PX = 2_048


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
        thumbnail_px, rendition_px: long sides of what the store keeps.
        docs: whether `/docs` and `/openapi.json` are served.
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
    thumbnail_px: int = 256
    rendition_px: int = 512
    docs: bool = True
