"""Requests to the Hugging Face hub by its own client: files with their hashes, bodies from a position on, and what went wrong."""

import hashlib
import logging
import queue
import re
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossmodal.errors import WeightsError
from crossmodal.hub.files import wanted
from crossmodal.progress import check_stop

NO_ANSWER_S = 8.0
"""How long the list of files may take, name lookup included."""
SILENCE_S = 30.0
"""Longest time without a byte of a body."""
LONGEST_WAIT_S = 60.0
"""How long a server's request to wait is obeyed."""
TRY_LATER = "Try again later; what has arrived is kept, and the download goes on where it stopped."

_LOOK_EVERY_S = 0.2
ATTEMPTS = 5
"""Attempts in a row that bring no byte, until the download is given up; what has arrived is kept."""
_MOST_BYTES = 2**35
COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of the hub. `digest` is its SHA-256, or its git blob id (SHA-1) if the hub does not keep it in its large storage."""

    name: str
    size: int
    digest: str

    def hasher(self) -> Any:
        """A hash of nothing yet."""
        if len(self.digest) == 64:
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)

    def is_content_of(self, path: Path) -> bool:
        """Whether a file has this content. Raises OSError."""
        if path.stat().st_size != self.size:
            return False
        hashed = self.hasher()
        with path.open("rb") as opened:
            while chunk := opened.read(2**20):
                hashed.update(chunk)
        return bool(hashed.hexdigest() == self.digest)


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of one commit of a repository."""

    repository: str
    commit: str
    files: tuple[HubFile, ...]


END = object()
"""After the last chunk of a body."""


class Cut(ConnectionError):
    pass


class HttpError(Exception):
    """A status that is no success."""

    def __init__(self, status: int, retry_after: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.retry_after = status, retry_after


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer."""

    status: int
    content_range: str
    content_type: str
    retry_after: str

    def refused(self, have: int) -> Exception | None:
        """Why the body is not that of the file; None if it may be."""
        if self.status not in (200, 206):
            return HttpError(self.status, self.retry_after)
        if self.content_type.startswith("text/html"):
            return ValueError("a page in place of a file")
        if self.status == 206 and not self.content_range.startswith(f"bytes {have}-"):
            return ValueError("another range than asked for")
        return None


class Stream:
    """An answer that is read in a thread of its own, so that a pause or a stop need not wait for bytes."""

    def __init__(self, listing: Listing, file: HubFile, have: int) -> None:
        self._events: queue.Queue[Any] = queue.Queue(maxsize=8)
        self._over = threading.Event()
        hub = _hub()
        url = hub.hf_hub_url(listing.repository, file.name, revision=listing.commit)
        headers = {**hub.utils.build_hf_headers(), "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        threading.Thread(target=self._read, args=(hub.utils.get_session(), url, headers), name="hub-download", daemon=True).start()

    def next(self) -> Any:
        """The next event, or None if nothing arrives for a moment."""
        try:
            return self._events.get(timeout=_LOOK_EVERY_S)
        except queue.Empty:
            return None

    def abandon(self) -> None:
        """Let the thread end at its next byte or time-out; it touches no file."""
        self._over.set()

    def _read(self, session: Any, url: str, headers: dict[str, str]) -> None:
        import httpx2

        try:
            with session.stream("GET", url, headers=headers, timeout=httpx2.Timeout(SILENCE_S, connect=5.0)) as answer:
                got = {name: answer.headers.get(name, "") for name in ("Content-Range", "Content-Type", "Retry-After")}
                self._put(Head(answer.status_code, got["Content-Range"], got["Content-Type"], got["Retry-After"]))
                if answer.status_code in (200, 206):
                    for chunk in answer.iter_bytes():
                        self._put(chunk)
            self._put(END)
        except _Abandoned:  # nobody waits for the rest
            return
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            with suppress(_Abandoned):
                self._put(error)

    def _put(self, event: Any) -> None:
        while not self._over.is_set():
            with suppress(queue.Full):
                self._events.put(event, timeout=_LOOK_EVERY_S)
                return
        raise _Abandoned


class _Abandoned(Exception):
    pass


def _hub() -> Any:
    """The hub's client, without warnings, messages and telemetry."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import huggingface_hub.constants
        import huggingface_hub.utils.logging

    huggingface_hub.utils.logging.set_verbosity(logging.CRITICAL)  # errors are reported by the caller
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True
    return huggingface_hub


def model_info(repository: str) -> Any:
    return _hub().HfApi().model_info(repository, files_metadata=True, timeout=5.0)


def listing_of(repository: str, found: Any) -> Listing:
    """What is needed of the hub's list, checked; names are those of `wanted`."""
    siblings = {str(entry.rfilename): entry for entry in found.siblings or ()}
    names = wanted(siblings)
    if "config.json" not in names or not any(name.startswith(("model", "pytorch_model")) for name in names):
        what = f"{repository} has no config.json, or no weights as model.safetensors or pytorch_model.bin."
        raise WeightsError("weights_missing", what, remedy="Choose another model.")
    files = []
    for name in names:
        entry = siblings[name]
        digest, size = str((entry.lfs or {}).get("sha256") if entry.lfs else entry.blob_id), entry.size
        right = _SHA256.fullmatch(digest) if entry.lfs else COMMIT.fullmatch(digest)
        if not right or type(size) is not int or not 0 < size < _MOST_BYTES:
            what = f"The hub does not say size and hash of {name} in {repository}, so it could not be checked."
            raise WeightsError("bad_response", what, remedy="Choose another model, or put its files in place by hand.")
        files.append(HubFile(name, size, digest))
    commit = str(found.sha)
    if not COMMIT.fullmatch(commit):
        raise WeightsError("bad_response", f"The hub does not say which state of {repository} it has.", remedy=TRY_LATER)
    return Listing(repository, commit, tuple(files))


def within(seconds: float, work: Callable[[], Any], stop: threading.Event) -> Any:
    """The result of `work` in a thread that may be abandoned: no time-out covers a name server that does not answer."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((work(), None))
        except Exception as error:  # noqa: BLE001 - raised again by the caller
            answers.put((None, error))

    threading.Thread(target=run, name="hub-listing", daemon=True).start()
    for _ in range(round(seconds / _LOOK_EVERY_S)):
        check_stop(stop, "The download")
        with suppress(queue.Empty):
            result, error = answers.get(timeout=_LOOK_EVERY_S)
            if error is not None:
                raise error
            return result
    raise TimeoutError("no answer")


def status_of(error: BaseException | None) -> int | None:
    """The HTTP status of a refusal, by the client or by `Head`."""
    status = getattr(getattr(error, "response", None), "status_code", None) or getattr(error, "status", None)
    return status if isinstance(status, int) else None


def worth_waiting(error: BaseException | None, failures: int, *, line_dropped: bool = False) -> float | None:
    """Seconds until another attempt makes sense; None if it does not.

    Args:
        line_dropped: whether an address that cannot be reached answered before.
    """
    if failures >= ATTEMPTS:
        return None
    status = status_of(error)
    if status == 429:
        seconds = _retry_after(error)
        return seconds if seconds <= LONGEST_WAIT_S else None
    if status is not None:
        return float(2 ** (failures - 1)) if status >= 500 else None
    kinds = {kind.__name__ for kind in type(error).__mro__}
    again = {"ReadTimeout", "RemoteProtocolError", "ReadError", "WriteError", "Cut", "TimeoutError"}
    if line_dropped:
        again |= {"ConnectError", "ConnectTimeout"}
    return float(2 ** (failures - 1)) if kinds & again else None


def _retry_after(error: Any) -> float:
    """Seconds that a server asks to wait; 5 if it does not say."""
    response = getattr(error, "response", None)
    text = response.headers.get("Retry-After", "") if response is not None else getattr(error, "retry_after", "")
    return float(text) + 1 if str(text).isdecimal() and len(str(text)) < 8 else 5.0


def error_of(error: BaseException, name: str, folder: Path) -> WeightsError:
    """The error of a failed request, in a sentence.

    Args:
    name: the repository.
    folder: where its files may be put by hand.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status = status_of(error)
    by_hand = (
        f"Without the network: put the files of {name} (config.json, tokenizer.json, model.safetensors and the other small JSON "
    )
    by_hand += f"files) into {folder}, and run this again."
    if "GatedRepoError" in kinds or status in (401, 403):
        what = (
            f"The hub does not give out {name} without a login: its publisher asks for an agreement first (HTTP {status or 401})."
        )
        return WeightsError("forbidden", what, remedy=f"Accept it at https://huggingface.co/{name} and log in with: hf auth login")
    if "RevisionNotFoundError" in kinds or (status == 404 and isinstance(error, HttpError)):
        what = f"The hub has no such state of {name} any more: it was moved meanwhile."
        return WeightsError("not_found", what, remedy="Start the download again.")
    if status == 404:
        return WeightsError("not_found", f"The hub has no model {name} (HTTP 404).", remedy="Check its name.")
    if status == 429:
        seconds = _retry_after(error)
        when = f" in {seconds / 60:.0f} minutes" if seconds > LONGEST_WAIT_S else ""
        what = f"The hub answers too many requests from here (HTTP 429){' and asks to wait' if when else ''}."
        return WeightsError("rate_limited", what, remedy=f"Try again{when or ' later'}; what has arrived is kept.")
    if status is not None:
        return WeightsError("http_status", f"The hub answered HTTP {status} for {name}.", remedy=TRY_LATER)
    if kinds & {"TimeoutException", "TimeoutError"}:
        return WeightsError("timeout", f"The hub did not answer in time for {name}.", remedy=f"{TRY_LATER} {by_hand}")
    if kinds & {"RemoteProtocolError", "ReadError", "WriteError", "Cut"}:
        return WeightsError("connect_failed", f"The connection was cut again and again for {name}.", remedy=TRY_LATER)
    if kinds & {"TransportError", "OSError", "OfflineModeIsEnabled"}:
        return WeightsError("connect_failed", f"The hub cannot be reached for {name}.", remedy=by_hand)
    what = f"What answered for {name} is not the hub ({type(error).__name__}); perhaps a network that asks for a login."
    return WeightsError("bad_response", what, remedy="Open any page in a browser, log in to the network, and try again.")
