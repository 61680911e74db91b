"""Running the API as a process of its own."""

import gc
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.application import create_api
from api.options import LOOPBACK_NAMES, ApiOptions
from api.server.listening import BACKLOG, Place, is_loopback, name_of
from api.server.protocol import MAX_HEADER_EVENT_BYTES, PatientProtocol
from config import Settings
from crossmodal.errors import QueryError
from crossmodal.progress import OnProgress, ignore_progress
from initialize import build_system
from resident.server import Resident

log = logging.getLogger(__name__)

OPEN_RATE = 1_200
"""Requests a minute of one client, where others than this computer can come and the settings say nothing else."""
BODIES = 4
"""How many of the largest bodies may be in memory at once."""
CONNECTIONS = 4
"""Connections for each request that may be under way; the others wait between two requests, and the longest of them gives way."""
MIN_CONNECTIONS = 256
MIN_KEY_CHARS = 16
SWITCH_S = 0.001
"""How long one thread may hold up the event loop with Python code; the interpreter's own 5 ms add up to a slow `/health`."""


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


def serve(settings: Settings, progress: OnProgress = ignore_progress, *, ready: Callable[[str], object] | None = None) -> None:
    """Assemble the system, then answer until told to stop; a job under way is then stopped and everything closed.

    Args:
        ready: told the server's address when it answers.

    Raises:
        CrossmodalError: the system cannot be assembled, or the address is not to be opened or not to be had; the latter before anything
            is loaded.
        SystemExit: 0, SIGTERM came, at whatever moment. KeyboardInterrupt: Ctrl-C.
    """
    options = options_from(settings)
    sys.setswitchinterval(SWITCH_S)
    with _sigterm_unwinds(), Place(settings.api_host, settings.api_port) as place:
        app = build_system(settings, progress)
        gc.collect()
        gc.freeze()  # what is here stays: looking through all of it again and again would hold up every answer
        try:
            server = uvicorn.Server(server_config(create_api(app, options), settings))
            with Resident(app):
                place.listen()
                if ready is not None:
                    ready(place.address)
                server.run(place.sockets)
        finally:
            app.close()


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """SIGTERM as SystemExit 0, once: uvicorn raises the signal again when it has ended, and by default that kills the process there."""

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)  # a second one does not cut the closing short
        raise SystemExit(0)

    if threading.current_thread() is not threading.main_thread():  # only the main thread hears signals
        yield
        return
    former = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def server_config(api: FastAPI, settings: Settings) -> uvicorn.Config:
    """uvicorn as this API wants it: one process, our limits on headers, no word about itself."""
    most = max(MIN_CONNECTIONS, CONNECTIONS * settings.api_max_concurrent)
    return uvicorn.Config(
        api,
        host=settings.api_host,
        port=settings.api_port,
        http=type("Protocol", (PatientProtocol,), {"max_connections": most}),
        ws="none",
        h11_max_incomplete_event_size=MAX_HEADER_EVENT_BYTES,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
        proxy_headers=bool(settings.api_trusted_proxies),
        forwarded_allow_ips=list(settings.api_trusted_proxies),
        server_header=False,
        access_log=False,
        log_level="warning",
        backlog=BACKLOG,
    )


def _hosts(settings: Settings, *, local: bool) -> frozenset[str]:
    named = frozenset(name.lower() for name in settings.api_hosts)
    # By its own names it can always be called: a health check does so from inside.
    own = LOOPBACK_NAMES | {name_of(settings.api_host)} if local else LOOPBACK_NAMES
    return own | named if local or named else named
