"""How a command ends: one number for each kind of end, for scripts."""

from crossmodal.errors import CrossmodalError

DONE = 0
NOTHING = 1
USAGE = 2
MISSING = 3
UNUSABLE = 4
COLLECTION = 5
BUSY = 6
INTERNAL = 70
STOPPED = 130

MEANINGS = {
    DONE: "done",
    NOTHING: "nothing found, or a check found something",
    USAGE: "the command was asked wrongly",
    MISSING: "the item or file is not there",
    UNUSABLE: "a picture, address or catalogue cannot be used",
    COLLECTION: "the collection or the model cannot be used, or a file not be written",
    BUSY: "something else is at work: try again",
    INTERNAL: "a mistake of the program",
    STOPPED: "stopped by you",
}
"""Every number a command ends with, and what it says; `--help` and docs/cli.md print this table."""

_BY_CODE = {
    "bad_request": USAGE,
    "text_empty": USAGE,
    "text_too_long": USAGE,
    "forbidden": USAGE,
    "not_found": MISSING,
    "file_missing": MISSING,
    "weights_missing": MISSING,
    "checkpoint_invalid": COLLECTION,
    "index_missing": COLLECTION,
    "index_corrupt": COLLECTION,
    "index_model_mismatch": COLLECTION,
    "store_too_new": COLLECTION,
    "read_only": COLLECTION,
    "disk_full": COLLECTION,
    "training_failed": COLLECTION,
    "busy": BUSY,
    "rate_limited": BUSY,
    "stopped": STOPPED,
    "internal": INTERNAL,
}


def exit_code(error: CrossmodalError) -> int:
    """The number for an error; what is not named otherwise is input that cannot be used."""
    return _BY_CODE.get(error.code, UNUSABLE)


def help_text() -> str:
    """The table as one paragraph for `--help`."""
    return "Exit codes: " + " · ".join(f"{code} {meaning}" for code, meaning in MEANINGS.items()) + "."
