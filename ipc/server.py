"""The server, in the process that has loaded the model; handles each connection in its own thread."""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from crossmodal.errors import BusyError, CrossmodalError
from engine.live import LiveApp
from ipc import protocol
from ipc.protocol import BrokenFrameError, Document, socket_path

Answer = tuple[Document, bytes]


def answered(app: LiveApp, name: str, given: Document, data: bytes) -> Answer:
    """The answer to a question, and the bytes that belong to it.

    Args:
        given: arguments by their names; used up.
        data: the picture of the question, where it has one.

    Raises:
        CrossmodalError: as the app's method; `bad_request` for a question that is none.
    """
    question = _QUESTIONS.get(name)
    if question is None:
        raise CrossmodalError("bad_request", f"The running program knows no {name!r:.40}.", remedy="Start it again.")
    return question(app, given, data)


def _image(given: Document, data: bytes) -> bytes | str:
    """The picture of a question: its bytes, or the address to fetch."""
    return str(given.pop("address")) if "address" in given else data


def _search(app: LiveApp, given: Document, data: bytes) -> Answer:
    image = _image(given, data) or None
    return protocol.answer_document(app.search(protocol.query_of(given, image))), b""


def _captions(app: LiveApp, given: Document, data: bytes) -> Answer:
    return protocol.captions_document(app.captions_for_image(_image(given, data), given["top_k"])), b""


def _unknown_words(app: LiveApp, given: Document, _data: bytes) -> Answer:
    return {"words": app.unknown_words(given["query"])}, b""


def _nearest_words(app: LiveApp, given: Document, _data: bytes) -> Answer:
    return {"words": app.nearest_words(given["query"])}, b""


def _add(app: LiveApp, given: Document, data: bytes) -> Answer:
    outcome = app.add_new_item(_image(given, data), given.pop("title"), **given)
    return {"created": outcome.created, "item": protocol.item_document(outcome.item)}, b""


def _item(app: LiveApp, given: Document, _data: bytes) -> Answer:
    return {"item": protocol.item_document(app.item(given["item_id"]))}, b""


def _rendition(app: LiveApp, given: Document, _data: bytes) -> Answer:
    return {}, app.rendition(given["item_id"])


_QUESTIONS: dict[str, Callable[[LiveApp, Document, bytes], Answer]] = {
    "search": _search,
    "captions": _captions,
    "unknown_words": _unknown_words,
    "nearest_words": _nearest_words,
    "add": _add,
    "item": _item,
    "rendition": _rendition,
}


log = logging.getLogger(__name__)

_SILENT_S = 30.0
_ANSWERS_AT_ONCE = 8
_WAITING = 128
"""Length of the connection queue; further clients are refused at once and load the model themselves."""
_INTERNAL = "Something went wrong inside the running program."


class Resident:
    """Answers the shell from an app that is loaded already. The first program of a collection has the socket, others do without.

    Args:
        app: answers; closed by its maker, after this.
    """

    def __init__(self, app: LiveApp) -> None:
        self._app = app
        self._path = socket_path(app.store.path.parent)
        self._socket: socket.socket | None = None
        self._places = threading.BoundedSemaphore(_ANSWERS_AT_ONCE)

    def start(self) -> bool:
        """Open the socket, and answer from now on; False where there can be none, or another program has it."""
        if self._path is None or _answers(self._path):
            return False
        try:
            self._socket = _listening(self._path)
        except OSError as error:  # a file system without sockets: the shell loads its own model
            log.info("no socket for the shell: %s", error)
            return False
        threading.Thread(target=self._serve, args=(self._socket,), name="resident", daemon=True).start()
        return True

    def close(self) -> None:
        """Take no more questions. Twice is fine."""
        listening, self._socket = self._socket, None
        if listening is not None and self._path is not None:
            self._path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # wakes the thread that waits in `accept`
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._talk, args=(connection,), name="resident-answer", daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, BrokenFrameError):  # who breaks off wants no answer
            connection.settimeout(_SILENT_S)
            while True:
                document, data = protocol.receive(connection, max_bytes=self._app.limits.max_image_bytes)
                protocol.send(connection, *self._answer(document, data))

    def _answer(self, document: Document, data: bytes) -> Answer:
        if not self._places.acquire(timeout=_SILENT_S):
            return protocol.error_document(BusyError("busy", "The running program has too much to do.", remedy="Try again.")), b""
        try:
            return self._ask(document, data)
        except CrossmodalError as error:
            return protocol.error_document(error), b""
        except Exception:  # the shell gets a sentence, the log the traceback
            log.exception("the shell's question failed")
            return protocol.error_document(CrossmodalError("internal", _INTERNAL, remedy="Its log has more.")), b""
        finally:
            self._places.release()

    def _ask(self, document: Document, data: bytes) -> Answer:
        name, given = document.get("ask"), document.get("with", {})
        if name == "hello":
            about = {"protocol": protocol.PROTOCOL, "pid": os.getpid(), "model_path": str(self._app.model_path.absolute())}
            return about | {"max_image_bytes": self._app.limits.max_image_bytes}, b""
        return answered(self._app, str(name), given, data)


def _listening(path: Path) -> socket.socket:
    """A socket at a path, its owner's alone; what a killed program left there makes room."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        # Until it listens, every caller is turned away, whoever it is: so early enough. The umask would be that of all threads.
        path.chmod(0o600)
        listening.listen(_WAITING)
    except OSError:
        listening.close()
        raise
    return listening


def _answers(path: Path) -> bool:
    """Whether a program listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
