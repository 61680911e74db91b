"""`page`: the app in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands import _console
from commands._open import settings


def page(
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port; by default the first free one from 8501 on.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Only print the address; open no browser.")] = False,
) -> None:
    """Show the app in the browser until Ctrl-C, as `streamlit run app.py` does."""
    _console.prepare()
    chosen = settings()
    from streamlit.web import cli as streamlit

    options = [*([] if port is None else [f"--server.port={port}"]), *(["--server.headless=true"] if headless else [])]
    app = Path(__file__).resolve().parents[1] / "app.py"
    streamlit.main(["run", *options, str(app), "--", "--data-dir", str(chosen.data_dir.absolute())], prog_name="streamlit")
