"""The API for the command line: on a Unix socket in the data folder that only its owner can open."""

import contextlib
import json
import logging
import os
import secrets
import socket
import threading
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import APIRouter
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create_api
from api.client import PORT_NAME, VERSION, LocalConnection, endpoint_at, socket_path
from api.deps import ServicesDep
from api.errors import Json
from api.settings import LOOPBACK_NAMES, ApiOptions
from engine.live import LiveApp

log = logging.getLogger(__name__)

_WAITING = 128
"""Backlog: a client beyond it is refused at once, and loads its own model."""
_KEEP_ALIVE_S = 3_600
_FORM_BYTES = 2**20
"""Size of a form besides its picture."""
_END_S = 5

Identity = tuple[int, int, int]

router = APIRouter(prefix="/api", include_in_schema=False)


@router.get("/program")
async def program(services: ServicesDep) -> Response:
    """The protocol version, the model in use and the limits of a query."""
    app = services.app
    about = {"version": VERSION, "pid": os.getpid(), "model_path": str(app.model_path.absolute()), "limits": asdict(app.limits)}
    return Json(about)


@router.get("/program/items")
async def items(services: ServicesDep, ids: str) -> Response:
    """Items by their ids, separated by commas. Those not there any more are left out."""
    wanted = [int(each) for each in ids.split(",") if each.isdecimal()]
    return Json({"items": [services.item(item) for item in await services.run(services.app.store.items.get_many, wanted)]})


class LocalApi:
    """Serves the command line from an app that is already loaded, in a thread. Only the first process of a collection has the socket.

    File permissions admit only users who can read the collection, so no key is required and nothing is redacted. Where the system has no
    Unix sockets, it listens on a free loopback port and requires a token; both are in a file beside the collection.

    Args:
        app: closed by its maker, after this.
    """

    def __init__(self, app: LiveApp) -> None:
        self._app = app
        self._path = socket_path(app.store.path.parent)
        self._identity: Identity | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> bool:
        """Open the socket, and answer from now on; False where there can be none, or another program has it."""
        if self._path is None:
            return False
        stale = _identity(self._path)
        if _answers(self._path):
            return False
        token = secrets.token_urlsafe(24) if self._path.name == PORT_NAME else ""
        try:
            if stale is not None and stale == _identity(self._path):
                self._path.unlink()  # left by a killed program
            listening = _listening_with_token(self._path, token) if token else _listening(self._path)
        except OSError as error:  # a file system without sockets, or another program was faster
            log.info("no socket for the shell: %s", error)
            return False
        self._identity = _identity(self._path)
        options = ApiOptions(
            keys=(token,) if token else (),
            hosts=LOOPBACK_NAMES,
            max_body_bytes=self._app.limits.max_image_bytes + _FORM_BYTES,
            docs=False,
        )
        api = create_api(self._app, options)
        api.include_router(router)
        config = uvicorn.Config(
            _for_owner(api),
            http="h11",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_WAITING,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name="local-api", daemon=True)
        self._thread.start()
        return True

    def close(self) -> None:
        """Take no more requests. Twice is fine."""
        if self._server is None or self._thread is None or self._path is None:
            return
        if self._identity == _identity(self._path):  # another program's file stays
            self._path.unlink(missing_ok=True)
        self._server.should_exit = True
        self._thread.join(_END_S)
        self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _for_owner(api: ASGIApp) -> ASGIApp:
    """The API without redaction, see `api.errors.refusal`."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {})["is_owner"] = True
        await api(scope, receive, send)

    return answer


def _listening(path: Path) -> socket.socket:
    """A socket at a path, its owner's alone."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        # Before `listen` every connection is refused, so the mode is set in time; a umask would apply to all threads.
        path.chmod(0o600)
        listening.listen(_WAITING)
    except OSError:
        listening.close()
        raise
    return listening


def _listening_with_token(path: Path, token: str) -> socket.socket:
    """A free port of this computer, and a file at a path, its owner's alone, that names it and the token."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=_WAITING)
    try:
        document = json.dumps({"port": listening.getsockname()[1], "token": token})
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(document)
    except OSError:
        listening.close()
        raise
    return listening


def _identity(path: Path) -> Identity | None:
    """What distinguishes a file from a later one at the same path."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns


def _answers(path: Path) -> bool:
    """Whether a program listens there."""
    try:
        endpoint = endpoint_at(path)
    except ValueError:
        return False
    if endpoint is None:
        return False
    connection = LocalConnection(endpoint)
    with contextlib.suppress(OSError), contextlib.closing(connection):
        connection.connect()
        return True
    return False
