"""Who can reach this app. Folders of this computer are offered only to people who sit at it."""

import streamlit as st

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def listens_on_loopback() -> bool:
    """Whether only this computer can reach the app. An unset address means everybody can."""
    return str(st.get_option("server.address") or "").strip("[]").lower() in _LOOPBACK
