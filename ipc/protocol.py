"""What passes through the socket: a small JSON document, and bytes beside it where there are any.

A frame is two lengths (4 and 8 bytes, big-endian), the document in UTF-8, the bytes. Both ends run as the same person; lengths are
bounded all the same, so that a confused end costs an error and not the memory.
"""

import json
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crossmodal.errors import HTTP_STATUS, CrossmodalError
from crossmodal.items import CaptionResult, Item, SearchResult
from engine.query import Query, SearchAnswer

PROTOCOL = 2
"""Changes with the meaning of any document: ends that differ do not talk."""

_LENGTHS = struct.Struct(">IQ")
_MAX_DOCUMENT = 16 * 2**20

Document = dict[str, Any]


class BrokenFrameError(Exception):
    """The other end broke off, or speaks another language."""


def send(connection: socket.socket, document: Document, data: bytes = b"") -> None:
    """Write a frame. Raises OSError."""
    text = json.dumps(document, separators=(",", ":")).encode()
    connection.sendall(_LENGTHS.pack(len(text), len(data)) + text + data)


def receive(connection: socket.socket, *, max_bytes: int) -> tuple[Document, bytes]:
    """Read a frame whose bytes are no more than `max_bytes`.

    Raises:
        BrokenFrameError: it is not one. OSError: the connection broke, or was silent for too long.
    """
    length, more = _LENGTHS.unpack(_exactly(connection, _LENGTHS.size))
    if length > _MAX_DOCUMENT or more > max_bytes:
        raise BrokenFrameError("a frame larger than any of ours")
    try:
        document = json.loads(_exactly(connection, length))
    except (ValueError, RecursionError) as error:
        raise BrokenFrameError("no JSON") from error
    if not isinstance(document, dict):
        raise BrokenFrameError("no document")
    return document, _exactly(connection, more)


def error_document(error: CrossmodalError) -> Document:
    """An error on its way to the shell."""
    return {"error": {"kind": type(error).__name__, "code": error.code, "message": error.message, "remedy": error.remedy}}


def error_of(said: Document) -> CrossmodalError:
    """The same error, of the same class, on the other side.

    Raises:
        BrokenFrameError: no error of ours has this code.
    """
    if said.get("code") not in HTTP_STATUS:
        raise BrokenFrameError(f"an error called {said.get('code')!r:.40}")
    kinds = {kind.__name__: kind for kind in CrossmodalError.__subclasses__()}
    kind = kinds.get(str(said.get("kind")), CrossmodalError)
    return kind(said["code"], str(said.get("message")), remedy=str(said.get("remedy")))


def _exactly(connection: socket.socket, length: int) -> bytes:
    parts = []
    while length:
        part = connection.recv(min(length, 2**20))
        if not part:
            raise BrokenFrameError("the other end broke off")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


NAME = "resident.sock"
_LONGEST = 100
"""Bytes of a path that every system's socket addresses hold (104 on macOS, 108 on Linux)."""


def socket_path(data_dir: Path) -> Path | None:
    """The socket of a collection; None where there can be none (Windows, or a path too long for a socket).

    It is made readable and writable for its owner alone: whoever may open it may read the collection's file as well.
    """
    path = data_dir.absolute() / NAME
    return path if hasattr(socket, "AF_UNIX") and len(bytes(path)) <= _LONGEST else None


_PLAIN = ("item_id", "title", "source", "content_hash", "width_px", "height_px", "added_at", "origin", "held_out")


def item_document(item: Item) -> dict[str, Any]:
    """An item, whole."""
    return {name: getattr(item, name) for name in _PLAIN} | {
        "captions": list(item.captions),
        "attributes": dict(item.attributes),
    }


def item_of(document: dict[str, Any]) -> Item:
    """Raises KeyError or TypeError for a document that is none of `item_document`."""
    return Item(
        **{name: document[name] for name in _PLAIN},
        captions=tuple(document["captions"]),
        attributes=dict(document["attributes"]),
    )


_ASKED = ("text", "item_id", "weight", "min_score", "top_k", "offset", "collapse_duplicates", "include_self")


def query_document(query: Query) -> dict[str, Any]:
    """A query without its picture, whose bytes or address go beside it."""
    return {name: getattr(query, name) for name in _ASKED} | {"where": None if query.where is None else dict(query.where)}


def query_of(document: dict[str, Any], image: bytes | str | None) -> Query:
    """Raises KeyError as `item_of`."""
    return Query(**{name: document[name] for name in (*_ASKED, "where")}, image=image)


def answer_document(answer: SearchAnswer) -> dict[str, Any]:
    """An answer, its results in their order."""
    results = [{"item": item_document(each.item), "score": each.score, "rank": each.rank} for each in answer.results]
    return {"results": results, "hidden": [item_document(item) for item in answer.hidden]}


def answer_of(document: dict[str, Any]) -> SearchAnswer:
    """Raises KeyError or TypeError as `item_of`."""
    results = [SearchResult(item_of(each["item"]), each["score"], each["rank"]) for each in document["results"]]
    return SearchAnswer(results, [item_of(each) for each in document["hidden"]])


def captions_document(results: Sequence[CaptionResult]) -> dict[str, Any]:
    """Captions in their order."""
    return {
        "captions": [
            {"item": item_document(each.item), "caption": each.caption, "score": each.score, "rank": each.rank} for each in results
        ]
    }


def captions_of(document: dict[str, Any]) -> list[CaptionResult]:
    """Raises KeyError or TypeError as `item_of`."""
    return [CaptionResult(item_of(each["item"]), each["caption"], each["score"], each["rank"]) for each in document["captions"]]
