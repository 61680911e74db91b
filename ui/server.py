"""The page's server: its address from Streamlit's options, and work done once at start."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import streamlit as st
from streamlit import cli_util
from streamlit.web.server import server_util

from config import Settings
from ui import startup

_EVERYWHERE = "0.0.0.0"  # Streamlit's default


def settings() -> Settings:
    """The settings, with the page's address and host names in place of those for a separate API server."""
    chosen = startup.settings()
    names = [_in_brackets(name) for name in st.get_option("server.allowedHosts") or () if "*" not in name]
    address = st.get_option("server.address") or _EVERYWHERE
    return chosen.model_copy(update={"api_host": address, "api_hosts": (*chosen.api_hosts, *names)})


def base_path() -> str:
    """The server's base path, such as `/photos`; empty by default."""
    path: str = st.get_option("server.baseUrlPath").strip("/")
    return f"/{path}" if path else ""


def lifespan(beside: Callable[[], AbstractAsyncContextManager[None]]) -> Callable[[st.App], AbstractAsyncContextManager[None]]:
    """Start the system before the first visit, and open the browser as `streamlit run` does for a plain script.

    Args:
        beside: context manager that is entered for the server's lifetime.
    """

    @asynccontextmanager
    async def serving(_: st.App) -> AsyncIterator[None]:
        startup.starter()
        _open_browser()
        async with beside():
            yield

    return serving


def _open_browser() -> None:
    if st.get_option("server.headless"):
        return
    address = st.get_option("browser.serverAddress") or st.get_option("server.address") or "localhost"
    cli_util.open_browser(server_util.get_url(server_util.get_display_address(address)))


def _in_brackets(name: str) -> str:
    """Put an IPv6 address in brackets, as in the header `Host`."""
    return f"[{name}]" if ":" in name and not name.startswith("[") else name
