"""The API as the shell of the same person asks it: through the socket that a running program keeps in the data folder.

Imports nothing heavy: a command that finds a running program loads no model, and no framework either.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from crossmodal.errors import HTTP_STATUS, BusyError, CrossmodalError, QueryError
from crossmodal.ingest.sources.files import read_file
from crossmodal.items import AddOutcome, CaptionResult, Item, SearchResult
from engine.query import Query, SearchAnswer, validated
from engine.validation import Limits

if TYPE_CHECKING:
    from types import TracebackType

SOCKET_NAME = "api.sock"
PORT_NAME = "api.port"
VERSION = 3
"""Of what a running program answers; a program of another version is not asked."""

_MAX_SOCKET_PATH = 100
"""Bytes of a path that every system's socket addresses hold (104 on macOS, 108 on Linux)."""
_CONNECT_S = 1.0
_ANSWER_S = 120.0

Image = bytes | Path | str
Document = dict[str, Any]


class Endpoint(NamedTuple):
    """Where a running program answers: a socket file, or where the system has none, a port of this computer with a token."""

    path: Path
    port: int = 0
    token: str = ""


def socket_path(data_dir: Path) -> Path | None:
    """The socket of a collection, readable and writable for its owner alone; None where the path is too long for one.

    Where the system has no such sockets (Windows), a file that names a port and a token.
    """
    if not hasattr(socket, "AF_UNIX"):
        return data_dir.absolute() / PORT_NAME
    path = data_dir.absolute() / SOCKET_NAME
    return path if len(bytes(path)) <= _MAX_SOCKET_PATH else None


def endpoint_at(path: Path) -> Endpoint | None:
    """Where the program that left this file answers; None for no port file. Raises ValueError for one that cannot be read.

    A socket file is not looked at: connecting tells whether it is there.
    """
    if path.name != PORT_NAME:
        return Endpoint(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Endpoint(path, int(document["port"]), str(document["token"]))
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError) as error:
        raise ValueError("no port file") from error


class LocalConnection(http.client.HTTPConnection):
    """HTTP over a socket file or to a port of this computer."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__("127.0.0.1", endpoint.port or None, timeout=_CONNECT_S)
        self._endpoint = endpoint

    def connect(self) -> None:
        """See `http.client.HTTPConnection`. Raises OSError."""
        if self._endpoint.port:
            super().connect()
        else:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(_CONNECT_S)
            self.sock.connect(str(self._endpoint.path))
        self.sock.settimeout(_ANSWER_S)


class RemoteApp:
    """The methods of `LostFoundApp` that a short command uses, answered by a running program; the same arguments, answers and errors.

    A file is read here, by whoever asks; an address is fetched there. Scores have six decimals. Close it, or use it in a `with`.

    Attributes:
        limits: bounds of the running program.
        model_path: absolute path of the model that it uses.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._connection = LocalConnection(endpoint)
        self._corrections: dict[str, Document] = {}
        self._headers = {"X-Error-Shape": "object"} | ({"X-API-Key": endpoint.token} if endpoint.token else {})
        about = self._json("GET", "/api/program")
        if about.get("version") != VERSION:
            raise ValueError("a program of another version")
        self.model_path = str(about["model_path"])
        self.limits = Limits(**about["limits"])

    def search(self, query: Query) -> SearchAnswer:
        """See `LostFoundApp.search`; a picture goes as bytes, a file or an address, never decoded."""
        query = validated(query, self.limits)
        fields: Document = {
            "query": query.text,
            "image_id": query.item_id,
            "weight": query.weight,
            "where": dict(query.where) if query.where else None,
            "min_score": query.min_score,
            "top_k": query.top_k,
            "offset": query.offset,
            "collapse_duplicates": query.collapse_duplicates,
            "include_self": query.include_self,
            "signal": query.signal,
        }
        answer = self._ask("/search", fields, self._image(query.image))
        results = [
            SearchResult(_item_of(each["item"]), each["score"], each["rank"], each["found_by"]) for each in answer["results"]
        ]
        return SearchAnswer(results, [_item_of(each) for each in answer["same_picture"]])

    def captions_for_image(self, image: Image, top_k: int = 10) -> list[CaptionResult]:
        """See `LostFoundApp.captions_for_image`."""
        answer = self._ask("/api/search/image-to-text", {"top_k": top_k}, self._image(image))
        found = answer["captions"]
        ids = ",".join({each["image_id"] for each in found})
        known = self._json("GET", f"/api/program/items?ids={ids}")["items"]
        items = {each["item_id"]: _item_of(each) for each in known}
        return [
            CaptionResult(items[each["image_id"]], each["caption"], each["score"], each["rank"])
            for each in found
            if each["image_id"] in items
        ]

    def unknown_words(self, query: str) -> list[str]:
        """See `LiveApp.unknown_words`."""
        return list(self._correction(query)["unknown_words"])

    def nearest_words(self, query: str) -> list[str]:
        """See `LiveApp.nearest_words`."""
        return list(self._correction(query)["similar_words"])

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
        fields: Document = {"title": title, "source": origin, "captions": list(captions), "attributes": dict(attributes or {})}
        answer = self._ask("/api/items", fields, self._image(image))
        return AddOutcome(_item_of(answer["item"]), bool(answer["created"]))

    def item(self, item_id: int) -> Item:
        """See `LostFoundApp.item`."""
        return _item_of(self._json("GET", f"/api/items/{item_id}"))

    def rendition(self, item_id: int) -> bytes:
        """See `LostFoundApp.rendition`."""
        return self._request("GET", f"/api/image/{item_id}")

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _correction(self, query: str) -> Document:
        """What is known of a query's spelling, asked for once."""
        if query not in self._corrections:
            self._corrections[query] = self._ask("/correct-query", {"query": query})
        return self._corrections[query]

    def _image(self, image: object) -> bytes | str | None:
        if isinstance(image, Path):
            return read_file(image, max_bytes=self.limits.max_image_bytes)
        if image is None or isinstance(image, bytes | str):
            return image
        raise QueryError("bad_request", "A decoded picture cannot be sent to the running program.", remedy="Send its file.")

    def _ask(self, path: str, fields: Document, image: bytes | str | None = None) -> Document:
        fields = {name: value for name, value in fields.items() if value is not None}
        if isinstance(image, bytes):
            body, kind = _form(fields, image)
            return self._json("POST", path, body, kind)
        if image is not None:
            fields["image_url"] = image
        return self._json("POST", path, json.dumps(fields).encode("ascii"), "application/json")

    def _json(self, method: str, path: str, body: bytes = b"", kind: str = "") -> Document:
        document = json.loads(self._request(method, path, body, kind))
        if not isinstance(document, dict):
            raise _broken_off()
        return document

    def _request(self, method: str, path: str, body: bytes = b"", kind: str = "") -> bytes:
        headers = self._headers | ({"Content-Type": kind} if kind else {})
        try:
            self._connection.request(method, path, body or None, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # what may still come is the answer to this request, never to the next one
            raise _broken_off() from error
        if answer.status >= 400:
            raise _error_of(content)
        return content


def connect(data_dir: Path, model_path: Path) -> RemoteApp | None:
    """A program that has a collection open already; None where none runs, or one of another version or with another model."""
    path = socket_path(data_dir)
    try:
        endpoint = None if path is None else endpoint_at(path)
        app = None if endpoint is None else RemoteApp(endpoint)
    except (CrossmodalError, ValueError, KeyError, TypeError):  # left by a killed program, or another version's
        return None
    if app is not None and app.model_path != str(model_path.absolute()):
        app.close()
        return None
    return app


def _form(fields: Document, image: bytes) -> tuple[bytes, str]:
    """A multipart form with a picture, and its content type. Lists come as a field each, tables as JSON."""
    boundary = os.urandom(16).hex()
    parts = []
    for name, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            text = each if isinstance(each, str) else json.dumps(each)
            parts.append(
                f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode(errors="replace")
            )
    name = "" if image else "empty"  # an empty file without a name counts as none
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    parts += [head.encode(), image, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def _item_of(answer: Document) -> Item:
    """An item from an `ItemAnswer`. Whether it is held out of training is not part of the answer."""
    return Item(
        item_id=int(answer["item_id"]),
        title=answer["title"],
        source=answer["catalogue"],
        content_hash=answer["content_hash"],
        width_px=answer["width_px"],
        height_px=answer["height_px"],
        added_at=answer["added_at"],
        origin=answer["source"],
        captions=tuple(answer["captions"]),
        attributes=dict(answer["attributes"]),
    )


def _error_of(content: bytes) -> CrossmodalError:
    """The error of an answer, as the app itself raises it; its code is what tells errors apart here, not its class."""
    with suppress(ValueError, KeyError, TypeError):
        details = json.loads(content)["error"]
        if details["code"] in HTTP_STATUS:
            return CrossmodalError(details["code"], str(details["message"]), remedy=str(details["remedy"]))
    return _broken_off()


def _broken_off() -> BusyError:
    return BusyError("busy", "The running program broke off in the middle of an answer.", remedy="Run the command again.")
