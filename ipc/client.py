"""The side that asks: what `search` and `add` need of an app, answered by a program that runs already."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from crossmodal.errors import BusyError, QueryError
from crossmodal.ingest.sources.files import read_file
from crossmodal.items import AddOutcome, CaptionResult, Item, Picture
from engine.query import Query, SearchAnswer
from ipc import protocol
from ipc.protocol import BrokenFrameError, Document, socket_path

_CONNECT_S = 1.0
_ANSWER_S = 120.0

Image = bytes | Path | str


class NearLimits(NamedTuple):
    """Bounds of the running program, as far as its askers need them."""

    max_image_bytes: int


class RemoteApp:
    """The methods of `LostFoundApp` that a short command uses; the same arguments, answers and errors.

    A file is read here, by whoever asks; an address is fetched there.

    Args:
        connection: to a program that has said hello.
    """

    def __init__(self, connection: socket.socket, limits: NearLimits) -> None:
        self._connection = connection
        self.limits = limits

    def search(self, query: Query) -> SearchAnswer:
        """See `LostFoundApp.search`; a picture goes as bytes, a file or an address, never decoded."""
        if isinstance(query.image, Picture):
            raise QueryError("bad_request", "A decoded picture cannot be sent to the running program.", remedy="Send its file.")
        return protocol.answer_of(self._ask("search", protocol.query_document(query), query.image)[0])

    def captions_for_image(self, image: Image, top_k: int = 10) -> list[CaptionResult]:
        """See `LostFoundApp.captions_for_image`."""
        return protocol.captions_of(self._ask("captions", {"top_k": top_k}, image)[0])

    def unknown_words(self, query: str) -> list[str]:
        """See `LiveApp.unknown_words`."""
        return list(self._ask("unknown_words", {"query": query})[0]["words"])

    def nearest_words(self, query: str) -> list[str]:
        """See `LiveApp.nearest_words`."""
        return list(self._ask("nearest_words", {"query": query})[0]["words"])

    def add_new_item(
        self,
        image: Image,
        title: str | None = None,
        *,
        origin: str = "",
        captions: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> AddOutcome:
        """See `LostFoundApp.add_new_item`."""
        given = {"title": title, "origin": origin, "captions": list(captions), "attributes": dict(attributes or {})}
        answer, _ = self._ask("add", given, image)
        return AddOutcome(protocol.item_of(answer["item"]), bool(answer["created"]))

    def item(self, item_id: int) -> Item:
        """See `LostFoundApp.item`."""
        return protocol.item_of(self._ask("item", {"item_id": item_id})[0]["item"])

    def rendition(self, item_id: int) -> bytes:
        """See `LostFoundApp.rendition`."""
        return self._ask("rendition", {"item_id": item_id})[1]

    def _ask(self, name: str, given: Document, image: Image | None = None) -> tuple[Document, bytes]:
        data = b""
        if isinstance(image, str):
            given = given | {"address": image}
        elif isinstance(image, Path):
            data = read_file(image, max_bytes=self.limits.max_image_bytes)
        elif image is not None:
            data = image
        try:
            protocol.send(self._connection, {"ask": name, "with": given}, data)
            document, more = protocol.receive(self._connection, max_bytes=self.limits.max_image_bytes)
        except (OSError, BrokenFrameError) as error:
            self._connection.close()  # what may still come is the answer to this question, never to the next one
            raise BusyError(
                "busy", "The running program broke off in the middle of an answer.", remedy="Run the command again."
            ) from error
        if "error" in document:
            raise protocol.error_of(document["error"])
        return document, more


class Near:
    """Looks for a program that has a collection open already; a context manager.

    Attributes:
        app: answers from that program; None where none runs, or one that is not of this kind.
    """

    def __init__(self, data_dir: Path, model_path: Path) -> None:
        self._path = socket_path(data_dir)
        self._model_path = str(model_path.absolute())
        self._connection: socket.socket | None = None
        self.app: RemoteApp | None = None

    def __enter__(self) -> Self:
        if self._path is None or not self._path.exists():
            return self
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_CONNECT_S)
            connection.connect(str(self._path))
            protocol.send(connection, {"ask": "hello"})
            hello, _ = protocol.receive(connection, max_bytes=0)
            if hello.get("protocol") != protocol.PROTOCOL or hello.get("model_path") != self._model_path:
                raise BrokenFrameError("another kind of program")
            limits = NearLimits(int(hello["max_image_bytes"]))
        except (OSError, BrokenFrameError, KeyError, TypeError, ValueError):  # left by a killed program, or an older one
            connection.close()
            return self
        connection.settimeout(_ANSWER_S)
        self._connection, self.app = connection, RemoteApp(connection, limits)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._connection is not None:
            self._connection.close()
