"""`serve`: the REST API."""

from __future__ import annotations

import errno
import os
import socket
from typing import Annotated

import typer

from crossmodal.errors import BusyError, QueryError
from terminal import output
from terminal.opening import settings
from terminal.options import Quiet, Verbose
from terminal.progress_bar import ProgressBar


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; any but a loopback one needs CROSSMODAL_API_KEYS. Without it CROSSMODAL_API_HOST, else 127.0.0.1."
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Port; 0 takes a free one. Without it CROSSMODAL_API_PORT, else 5000."),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run the REST API until Ctrl-C; its documentation is under /docs.

    Every setting is in config.py under "The API".
    """
    output.prepare(quiet=quiet, verbose=verbose)
    chosen = settings()
    changes = {name: value for name, value in (("api_host", host), ("api_port", port)) if value is not None}
    from api.server.serving import options_from
    from api.server.serving import serve as run

    wanted = type(chosen)(**{**chosen.model_dump(), **changes})
    options_from(wanted)  # and the port: said before a model is loaded, or even made
    _check_port(wanted.api_host, wanted.api_port)
    with ProgressBar(quiet=quiet) as told:
        run(wanted, told)


def _check_port(host: str, port: int) -> None:
    """Refuse an address nobody can listen on. Whoever takes the port in the seconds after this is found out by the server itself.

    Raises:
        BusyError: something listens there already. QueryError: `bad_request`, it is no address of this computer.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind, protocol) as trial:
            if os.name == "posix":  # as the server does: a port that was left a moment ago can be had
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        where = f"{host}, port {port}"
        if error.errno == errno.EADDRINUSE:
            raise BusyError(
                "busy", f"Something listens on {where} already.", remedy="Stop it, or choose another port with --port."
            ) from error
        why = error.strerror or type(error).__name__
        raise QueryError(
            "bad_request", f"The API cannot listen on {where}: {why}.", remedy="Choose another --host or --port."
        ) from error
