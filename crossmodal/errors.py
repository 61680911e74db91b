"""One exception family. Every error has a code from a closed list, a message and a remedy.

    CrossmodalError
    ├── AddressError       URL refused before any request is made (url_malformed, url_scheme, ...)
    ├── FetchError         a request that was made and failed (dns_failed, timeout, http_status, ...)
    ├── PictureError       bytes that are not a usable picture (not_an_image, image_too_large, ...)
    ├── QueryError         an invalid query (text_empty, text_too_long, bad_request, not_found)
    ├── SourceError        a CSV or folder that cannot be read (csv_empty, csv_missing_columns, ...)
    ├── CheckpointError    a model file that must not be used (checkpoint_invalid)
    │   └── CheckpointMissing  there is none at that path
    ├── StoreError         the collection on disk cannot be used (index_corrupt, disk_full, read_only, ...)
    │   └── StoreMissing       there is none at that path
    ├── BusyError          too much load (busy, rate_limited)
    ├── AccessError        the caller is not allowed to do this (unauthorized, forbidden)
    ├── TrainingError      training cannot continue (training_failed)
    ├── WeightsError       pretrained weights not found or not fetched (weights_missing, connect_failed, forbidden, ...)
    └── Stopped            work stopped by the user (stopped; in `crossmodal.progress`)

The library raises these; the front ends (page, API, command line) translate them. `str(error)` is one sentence that says what happened
and with which value; `error.remedy` is one sentence that says what to do. `str(error)` never contains a secret, a traceback or a newline.
"""

import errno
from pathlib import Path

HTTP_STATUS: dict[str, int] = {
    "url_malformed": 400,
    "url_scheme": 400,
    "url_blocked_address": 400,
    "url_blocked_port": 400,
    "dns_failed": 400,
    "connect_failed": 502,
    "timeout": 504,
    "too_many_redirects": 502,
    "http_status": 502,
    "bad_response": 502,
    "too_large": 413,
    "empty_file": 422,
    "not_an_image": 422,
    "unsupported_format": 415,
    "image_too_large": 413,
    "image_corrupt": 422,
    "text_empty": 422,
    "text_too_long": 413,
    "csv_empty": 422,
    "csv_no_rows": 422,
    "csv_missing_columns": 422,
    "csv_duplicate_columns": 422,
    "csv_encoding": 422,
    "csv_malformed": 422,
    "file_malformed": 422,
    "csv_field_too_large": 413,
    "csv_too_many_rows": 413,
    "csv_too_wide": 413,
    "row_errors": 422,
    "file_missing": 404,
    "path_outside": 400,
    "checkpoint_invalid": 500,
    "index_missing": 500,
    "index_corrupt": 500,
    "index_model_mismatch": 500,
    "store_too_new": 500,
    "bad_request": 422,
    "not_found": 404,
    "unauthorized": 401,
    "forbidden": 403,
    "rate_limited": 429,
    "busy": 503,
    "read_only": 503,
    "disk_full": 507,
    "stopped": 503,
    "training_failed": 500,
    "internal": 500,
    "weights_missing": 503,
    "package_missing": 501,
}
"""Closed list of error codes, each with its HTTP status."""


class CrossmodalError(Exception):
    """Base class; front ends catch this.

    Args:
        code: one of `HTTP_STATUS`.
        message: what happened, with the value; one sentence. White space is collapsed.
        remedy: what the user can do; one sentence, or empty.

    Raises:
        KeyError: `code` is not in `HTTP_STATUS`.
    """

    def __init__(self, code: str, message: str, *, remedy: str = "") -> None:
        self.http_status = HTTP_STATUS[code]
        self.code = code
        self.message = " ".join(message.split())
        self.remedy = " ".join(remedy.split())
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message

    @property
    def sentence(self) -> str:
        """Message and remedy as one text."""
        return f"{self.message} {self.remedy}".strip()


class AddressError(CrossmodalError):
    """The URL is refused; at most its host name was looked up."""


class FetchError(CrossmodalError):
    """The URL was requested and returned no picture."""


class PictureError(CrossmodalError):
    """The bytes are not a usable picture."""


class QueryError(CrossmodalError):
    """The query is invalid."""


class SourceError(CrossmodalError):
    """A source (CSV, folder, archive, ...), or one of its rows, cannot be read."""


class CheckpointError(CrossmodalError):
    """A model file is refused. The active model stays active."""


class CheckpointMissing(CheckpointError):
    """There is no model file at the path."""


class StoreError(CrossmodalError):
    """The collection on disk cannot be read or written. Nothing was partially written."""


class StoreMissing(StoreError):
    """There is no collection at the path, and none is to be made (`index_missing`)."""


class BusyError(CrossmodalError):
    """Too much load; the same request may succeed later."""


class AccessError(CrossmodalError):
    """The caller is not allowed: a key is missing, or the request's origin is not accepted."""


class TrainingError(CrossmodalError):
    """A training run cannot continue. The active model stays active."""


class WeightsError(CrossmodalError):
    """Pretrained weights are missing or do not match. The remedy names the file and its place."""


_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN_ERRNOS = {errno.EACCES, errno.EPERM, errno.EROFS}


def disk_full(path: Path, why: str) -> StoreError:
    """A `disk_full` error for the disk of `path`; `why` completes the sentence."""
    return StoreError(
        "disk_full", f"The disk of {path} is full: {why}.", remedy="Free some space and try again; what was added before is safe."
    )


def read_only(path: Path, why: str) -> StoreError:
    """A `read_only` error for `path`; `why` completes the sentence."""
    return StoreError("read_only", f"{path} cannot be written: {why}.", remedy="Choose a folder you can write to.")


def from_oserror(error: OSError, path: Path) -> StoreError:
    """Translate a file-system error to `disk_full`, `read_only` or `index_missing`."""
    why = error.strerror or type(error).__name__
    if error.errno in _FULL_ERRNOS:
        return disk_full(path, why)
    if error.errno in _FORBIDDEN_ERRNOS:
        return read_only(path, why)
    return StoreError(
        "index_missing", f"{path} cannot be reached: {why}.", remedy="Check that the folder exists and the disk is connected."
    )
