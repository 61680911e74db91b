"""One family of errors, each with a code from a closed list, words for a person, and a remedy.

    CrossmodalError
    ├── AddressError       a web address we will not ask (url_malformed, url_scheme, ...)
    ├── FetchError         an address we asked, and that failed (dns_failed, timeout, http_status, ...)
    ├── PictureError       bytes that are not a picture we can use (not_an_image, image_too_large, ...)
    ├── QueryError         a question we cannot answer (text_empty, text_too_long, bad_request, not_found)
    ├── SourceError     a CSV or folder that cannot be read (csv_empty, csv_missing_columns, ...)
    ├── CheckpointError    a model file that must not be used (checkpoint_invalid)
    ├── StoreError         the collection on disk (index_corrupt, disk_full, read_only, ...)
    ├── BusyError          too much at once (busy, rate_limited)
    ├── AccessError        not for whoever asks (unauthorized, forbidden)
    ├── TrainingError      a training that cannot go on (training_failed)
    ├── WeightsError       pretrained weights that are nowhere to be had (weights_missing)
    └── Stopped            work a person stopped (stopped; in `crossmodal.progress`)

Libraries raise these; the doors (app, API, command line) translate them. `str(error)` is one sentence of what happened, with the value
it happened to; `error.remedy` is one sentence of what to do. `str(error)` never holds a secret, a traceback or more than one line.
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
"""Every code there is, with the HTTP status a web door answers."""


class CrossmodalError(Exception):
    """Base of the family: catch this at a door.

    Args:
        code: one of `HTTP_STATUS`.
        message: what happened, with the value; one sentence.
        remedy: what the person can do; one sentence, or empty.

    Raises:
        KeyError: `code` is not in the closed list (a mistake of ours, found by the first test that runs the line).
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
        """What happened and what to do, as a person reads it."""
        return f"{self.message} {self.remedy}".strip()


class AddressError(CrossmodalError):
    """The address itself is refused; nothing was asked of the network beyond its name."""


class FetchError(CrossmodalError):
    """The address was asked and gave no picture."""


class PictureError(CrossmodalError):
    """The bytes are not a picture that can be used."""


class QueryError(CrossmodalError):
    """The question cannot be answered as it stands."""


class SourceError(CrossmodalError):
    """A CSV or a folder, or one row of it, cannot be read."""


class CheckpointError(CrossmodalError):
    """A model file is refused. The model in use stays in use."""


class StoreError(CrossmodalError):
    """The collection on disk cannot be read or written. Nothing was half written."""


class BusyError(CrossmodalError):
    """Too much is asked at once; the same request may pass later."""


class AccessError(CrossmodalError):
    """Whoever asks may not: a key is missing, or the request comes from where none is taken from."""


class TrainingError(CrossmodalError):
    """A training run cannot go on. The model in use stays in use."""


class WeightsError(CrossmodalError):
    """Pretrained weights are missing or do not fit. The remedy says what to put where."""


_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN_ERRNOS = {errno.EACCES, errno.EPERM, errno.EROFS}


def disk_full(path: Path, why: str) -> StoreError:
    """Nothing more fits on the disk of `path`."""
    return StoreError(
        "disk_full", f"The disk of {path} is full: {why}.", remedy="Free some space and try again; what was added before is safe."
    )


def read_only(path: Path, why: str) -> StoreError:
    """`path` may not be written."""
    return StoreError("read_only", f"{path} cannot be written: {why}.", remedy="Choose a folder you may write to.")


def from_oserror(error: OSError, path: Path) -> StoreError:
    """A file-system error as one of ours."""
    why = error.strerror or type(error).__name__
    if error.errno in _FULL_ERRNOS:
        return disk_full(path, why)
    if error.errno in _FORBIDDEN_ERRNOS:
        return read_only(path, why)
    return StoreError(
        "index_missing", f"{path} cannot be reached: {why}.", remedy="Check that the folder exists and the disk is there."
    )
