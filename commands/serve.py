"""`serve`: run the REST API."""

from __future__ import annotations

from typing import Annotated

import typer

from commands import _console
from commands._open import settings
from commands._options import Quiet, Verbose
from commands._progress import ProgressBar


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; requires CROSSMODAL_API_KEYS unless it is loopback. Default: CROSSMODAL_API_HOST or 127.0.0.1."
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Port; 0 chooses a free one. Default: CROSSMODAL_API_PORT or 5000."),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run the REST API until Ctrl-C; its documentation is at /docs.

    All settings are in config.py under "The API".
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    chosen = settings()
    changes = {name: value for name, value in (("api_host", host), ("api_port", port)) if value is not None}
    from api.server import serve as run

    with ProgressBar(quiet=quiet) as progress:
        run(type(chosen)(**{**chosen.model_dump(), **changes}), progress, ready=lambda address: _say(address, quiet=quiet))


def _say(address: str, *, quiet: bool) -> None:
    if not quiet:
        _console.note(f"The API listens on {address}; documentation: {address}/docs. Press Ctrl-C to end.")
