"""Run the API as a separate process."""

import errno
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

import uvicorn
from fastapi import FastAPI

from api.app import create_api
from api.local import LocalApi
from api.settings import SWITCH_S, name_of, options_from
from api.slow_clients import MAX_HEADER_EVENT_BYTES, TimeoutProtocol
from config import Settings
from crossmodal.errors import BusyError, CrossmodalError, QueryError
from crossmodal.progress import OnProgress, ignore_progress
from initialize import build_system

BACKLOG = 512


class Listener:
    """Sockets bound to every address of a host, to reserve the port while the model is loaded. A context manager.

    Connections before `listen` are refused, so that clients know that the server has not started.

    Args:
        port: 0 takes a free one.

    Raises:
        BusyError: `busy`, another program has the port. QueryError: `bad_request`, this computer has no such address, or the port is not
            for this user.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.sockets: list[socket.socket] = []
        try:
            self._bind()
        except OSError as error:
            self.close()
            raise self._fault(error) from error

    @property
    def address(self) -> str:
        """The URL of the server, with the actual port."""
        return f"http://{name_of(self._host)}:{self.sockets[0].getsockname()[1]}"

    def listen(self) -> None:
        """Start to accept connections. Raises BusyError if another process that also bound the port was faster."""
        try:
            for each in self.sockets:
                each.listen(BACKLOG)
        except OSError as error:
            raise self._fault(error) from error

    def close(self) -> None:
        """Release the port. Idempotent."""
        for each in self.sockets:
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _bind(self) -> None:
        missing: OSError | None = None
        found = socket.getaddrinfo(self._host.strip("[]"), self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                self.sockets.append(_bound(family, kind, protocol, address))
            except OSError as error:  # a name may have an address of a family that is disabled here
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
            if self.sockets and self._port == 0:
                break  # one free port, not one for each address
        if missing is not None and not self.sockets:
            raise missing

    def _fault(self, error: OSError) -> CrossmodalError:
        if error.errno == errno.EADDRINUSE:
            return BusyError("busy", f"Port {self._port} is taken by another program.", remedy="Choose another with --port.")
        if error.errno in (errno.EACCES, errno.EPERM):
            what = f"Port {self._port} is not for this user."
            return QueryError("bad_request", what, remedy="Choose one from 1024 on with --port.")
        what = f"The API cannot listen on {self._host!r:.80}, which is no address of this computer."
        return QueryError("bad_request", what, remedy="Leave --host away to listen on 127.0.0.1.")


def _bound(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # a restart need not wait for old connections; elsewhere it would let two programs have one port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made


log = logging.getLogger(__name__)

CONNECTIONS = 4
"""Connections per concurrent request; the others are idle, and the one idle for longest is closed first."""
MIN_CONNECTIONS = 256


def serve(settings: Settings, progress: OnProgress = ignore_progress, *, ready: Callable[[str], object] | None = None) -> None:
    """Assemble the system and serve until stopped; then stop the running job and close everything.

    Args:
        ready: called with the server's URL when it accepts connections.

    Raises:
        CrossmodalError: the system cannot be assembled, or the address is not to be opened or not to be had; the latter before anything
            is loaded.
        SystemExit: 0, SIGTERM came, at whatever moment. KeyboardInterrupt: Ctrl-C.
    """
    options = options_from(settings)
    sys.setswitchinterval(SWITCH_S)
    with _sigterm_unwinds(), Listener(settings.api_host, settings.api_port) as listener:
        app = build_system(settings, progress, at_once=True)
        gc.collect()
        gc.freeze()  # collecting what stays for ever again and again would delay every response
        try:
            server = uvicorn.Server(server_config(create_api(app, options), settings))
            with LocalApi(app):
                listener.listen()
                if ready is not None:
                    ready(listener.address)
                server.run(listener.sockets)
        finally:
            app.close()


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """SIGTERM as SystemExit 0, once: uvicorn raises the signal again when it has ended, and by default that kills the process there."""

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)  # a second one does not cut the closing short
        raise SystemExit(0)

    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
        yield
        return
    former = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def server_config(api: FastAPI, settings: Settings) -> uvicorn.Config:
    """uvicorn's configuration: one process, our limits on headers, no `Server` header."""
    most = max(MIN_CONNECTIONS, CONNECTIONS * settings.api_max_concurrent)
    return uvicorn.Config(
        api,
        host=settings.api_host,
        port=settings.api_port,
        http=type("Protocol", (TimeoutProtocol,), {"max_connections": most}),
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
