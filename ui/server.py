"""The page's own server: where it listens, as Streamlit's options say, and what happens once when it starts."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import streamlit as st
from streamlit import cli_util
from streamlit.web.server import server_util

from config import Settings
from ui import startup

_EVERYWHERE = "0.0.0.0"  # where Streamlit listens when nothing is said


def settings() -> Settings:
    """The settings of this installation, with the page's address and names in place of those for an API server of its own."""
    chosen = startup.settings()
    names = [_in_brackets(name) for name in st.get_option("server.allowedHosts") or () if "*" not in name]
    address = st.get_option("server.address") or _EVERYWHERE
    return chosen.model_copy(update={"api_host": address, "api_hosts": (*chosen.api_hosts, *names)})


def base_path() -> str:
    """What every path of this server begins with: `/photos`; empty where there is no such thing."""
    path: str = st.get_option("server.baseUrlPath").strip("/")
    return f"/{path}" if path else ""


def lifespan(beside: Callable[[], AbstractAsyncContextManager[None]]) -> Callable[[st.App], AbstractAsyncContextManager[None]]:
    """Starts the system before anybody visits, and the browser as `streamlit run` does for a plain script.

    Args:
        beside: what else runs as long as the server.
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
    """An IPv6 address as it stands in the header `Host`."""
    return f"[{name}]" if ":" in name and not name.startswith("[") else name
