"""What this process asks of the system, from Python's own audit events."""

import sys
from typing import Any

NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname")


class Audit:
    """A recorder. There is one a process, because an audit hook can never be taken away again."""

    def __init__(self) -> None:
        self._events: list[tuple[str, Any]] | None = None
        self._hooked = False

    def start(self) -> list[tuple[str, Any]]:
        """A list that fills with (event, address or host) until `stop`."""
        if not self._hooked:
            sys.addaudithook(self._listen)
            self._hooked = True
        self._events = []
        return self._events

    def stop(self) -> None:
        self._events = None

    def _listen(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._events is not None and event in NETWORK:
            self._events.append((event, arguments[1 if event == "socket.connect" else 0]))


AUDIT = Audit()
