"""Checkpoint files: written atomically and verified before use.

The file is a `torch.save` of {"format", "details", "digest", "state_dict"}: tensors and plain text only, so that it loads with
`weights_only=True`. `details` is JSON (settings, tokenizer version, metrics). The digest covers details and every tensor, so a flipped bit,
an edited number and a swapped file are all detected; its first characters are the model's id. The digest detects accidents, not malice: an
edited file can have a matching digest. Hence everything read from a file is validated.
"""

import hashlib
import io
import json
import math
import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from crossmodal import errors
from crossmodal.atomic import atomic_path
from crossmodal.errors import CheckpointError, CheckpointMissing, StoreError
from crossmodal.training.failures import is_out_of_memory

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FORMAT = 1
MAX_BYTES = 2 * 2**30
_LONGEST_NAME = 200
_KEYS = {"format", "details", "digest", "state_dict"}
_DTYPES = frozenset(
    {torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool}
)
_RETRAIN = "Delete the file to train anew, or put back a model that was saved by this program."
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The contents of a model file.

    Attributes:
        state: name → tensor, dense and finite.
        details: JSON object of settings, tokenizer version and metrics.
        digest: SHA-256 in hex over details and tensors.
    """

    state: dict[str, Tensor]
    details: dict[str, Any]
    digest: str

    @property
    def model_id(self) -> str:
        """Identifier of these weights; stored with every embedding computed with them."""
        return self.digest[:16]


def save_checkpoint(path: Path, state: Mapping[str, Tensor], details: Mapping[str, Any]) -> Checkpoint:
    """Write a model file atomically.

    Raises:
        CheckpointError: a tensor is not finite.
        StoreError: `disk_full`, `read_only`. An existing file is unchanged after an error.
    """
    kept = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    _check_tensors(path, kept)
    text = json.dumps(details, sort_keys=True)
    checkpoint = Checkpoint(kept, json.loads(text), _digest(text, kept))
    content = {"format": FORMAT, "details": text, "digest": checkpoint.digest, "state_dict": kept}
    try:
        with atomic_path(path) as draft, draft.open("wb") as file:
            torch.save(content, file)
    except RuntimeError as error:  # torch's zip writer reports a full disk like this
        raise errors.disk_full(path, "the model could not be written whole") from error
    return checkpoint


def load_checkpoint(path: Path) -> Checkpoint:
    """Read and validate a model file: layout, types, density, finiteness, digest.

    Raises:
        CheckpointError: what is in it is wrong; the message says what. Nothing in the file is ever executed. CheckpointMissing: there is
            no such file.
        StoreError: it could not be read, although it may be valid (too many open files, a failed disk, ...).
        MemoryError: there was too little memory to read it.
    """
    with _opened(path) as source:
        size = os.fstat(source.fileno()).st_size
        try:
            with io.BufferedReader(source) as file:
                _check_container(path, file, size)
                content = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            if source.failure is not None:  # whatever zipfile and torch made of it
                raise _unread(path, source.failure) from error
            if isinstance(error, CheckpointError | MemoryError):
                raise
            if is_out_of_memory(error):
                raise MemoryError(f"too little memory to read {path.name}") from error
            raise _refused(path, f"cannot be read as a model ({type(error).__name__})") from error
    if not isinstance(content, dict) or set(content) != _KEYS:
        raise _refused(path, "does not have the layout of a model saved by this program")
    version, state, text, digest = content["format"], content["state_dict"], content["details"], content["digest"]
    if not (isinstance(version, int) and isinstance(state, dict) and isinstance(text, str) and isinstance(digest, str)):
        raise _refused(path, "does not have the layout of a model saved by this program")
    if version != FORMAT:
        raise _refused(path, f"is of another format; this program reads format {FORMAT}")
    _check_tensors(path, state, max_bytes=size)
    try:
        details = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused(path, "has unreadable details") from error
    if not isinstance(details, dict) or _digest(text, state) != digest:
        raise _refused(path, "was changed after it was saved: its digest does not fit")
    return Checkpoint({name: value.detach() for name, value in state.items()}, details, digest)


def check_state(path: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Compare names, shapes and dtypes with those of a network.

    Raises:
        CheckpointError: they differ; the message names the first difference.
    """
    missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or unknown:
        raise _refused(path, f"is of another network: missing {missing[:3]}, unknown {unknown[:3]}")
    for name, wanted in expected.items():
        got = state[name]
        if got.shape != wanted.shape or got.dtype != wanted.dtype:
            raise _refused(
                path, f"has {name} of {tuple(got.shape)} {got.dtype}, but {tuple(wanted.shape)} {wanted.dtype} is needed"
            )


class _WatchedFile(io.FileIO):
    """A file that keeps the error of a failed read, which torch and zipfile replace by errors about the format."""

    failure: OSError | None = None

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        return self._attempted(lambda: io.FileIO.readinto(self, buffer))

    def readall(self) -> bytes:
        return self._attempted(lambda: io.FileIO.readall(self)) or b""

    def _attempted(self, read: Callable[[], _Read]) -> _Read:
        try:
            return read()
        except OSError as error:
            self.failure = error
            raise


def _opened(path: Path) -> _WatchedFile:
    try:
        if stat.S_ISREG(path.stat().st_mode):  # opening a pipe would block
            return _WatchedFile(path)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        what = f"The model file {path.name} does not exist."
        raise CheckpointMissing("checkpoint_invalid", what, remedy="Check its name.") from error
    except OSError as error:
        raise _unread(path, error) from error
    raise _refused(path, "is not a regular file")


def _unread(path: Path, error: OSError) -> StoreError:
    if isinstance(error, PermissionError):  # not `read_only`, which is about writing
        why = error.strerror or type(error).__name__
        return StoreError("index_missing", f"{path} cannot be read: {why}.", remedy="Give this program permission to read it.")
    return errors.from_oserror(error, path)


def _check_container(path: Path, file: IO[bytes], size: int) -> None:
    """Check before torch reads the file that it is a zip archive of uncompressed entries within the size limit."""
    if size > MAX_BYTES:
        raise _refused(path, f"has {size:,} bytes; {MAX_BYTES:,} are the most")
    start = file.read(40)
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(
            "checkpoint_invalid", f"The model file {path.name} is a Git LFS pointer, not the model.", remedy="Run git lfs pull."
        )
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _refused(path, "is not a model file (not a zip archive)") from error
    if not entries or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise _refused(path, "is not a model file (empty or compressed archive)")
    if any(".." in Path(entry.filename).parts or entry.filename.startswith("/") for entry in entries):
        raise _refused(path, "is not a model file (entry outside the archive)")
    if sum(entry.file_size for entry in entries) > size:
        raise _refused(path, "is not a model file (entries that overlap)")
    file.seek(0)


def _check_tensors(path: Path, state: Mapping[Any, Any], *, max_bytes: int = MAX_BYTES) -> None:
    """Check names, types, sizes and finiteness; contents are read only after the sizes were checked."""
    if not state:
        raise _refused(path, "holds no weights")
    claimed = 0
    for name, value in state.items():
        if not isinstance(name, str) or len(name) > _LONGEST_NAME:
            raise _refused(path, "holds a weight without a usable name")
        if not isinstance(value, Tensor) or not _is_plain(value):
            raise _refused(path, f"holds {name!r}, which is no tensor of plain numbers")
        claimed += value.nbytes
        # A stride of 0 makes terabytes out of four bytes, and a storage shared by many names is summed up for each.
        if not value.is_contiguous() or claimed > max_bytes:
            raise _refused(path, f"holds {name}, whose shape {tuple(value.shape)} is more than is stored")
        if value.is_floating_point() and value.numel() and not all(map(math.isfinite, torch.stack(value.aminmax()).tolist())):
            raise _refused(path, f"holds {name} with values that are not finite numbers")


def _is_plain(value: Tensor) -> bool:
    """Whether a tensor is dense, in CPU memory and of a supported dtype: not sparse, nested, lazily negated, quantised or complex."""
    dense = value.layout is torch.strided and not value.is_nested and not value.is_neg()
    return dense and value.device.type == "cpu" and value.dtype in _DTYPES


def _digest(details: str, state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(details.encode("utf-8", "surrogatepass"))
    for name in sorted(state):
        value = state[name].detach()
        digest.update(f"\n{name} {value.dtype} {tuple(value.shape)}\n".encode("utf-8", "surrogatepass"))
        digest.update(value.contiguous().view(-1).view(torch.uint8).numpy().data if value.numel() else b"")
    return digest.hexdigest()


def _refused(path: Path, why: str) -> CheckpointError:
    return CheckpointError("checkpoint_invalid", f"The model file {path.name} {why}.", remedy=_RETRAIN)


def flatten_state(state: Any) -> tuple[dict[str, Tensor], Any]:
    """Split a nested state into its tensors by name and a JSON value that refers to them.

    Args:
        state: dicts with plain keys, lists, tuples (restored as lists), tensors, str, numbers, bool and None.

    Raises:
        TypeError: the state contains another type.
    """
    tensors: dict[str, Tensor] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, Tensor):
            name = f"tensor {len(tensors)}"
            tensors[name] = value
            return {"tensor": name}
        if isinstance(value, dict):
            return {"dict": [[walk(key), walk(entry)] for key, entry in value.items()]}
        if isinstance(value, list | tuple):
            return [walk(entry) for entry in value]
        if value is None or isinstance(value, str | bool | int | float):
            return value
        raise TypeError(f"a training's state cannot hold a {type(value).__name__}")

    return tensors, walk(state)


def restore_state(tensors: dict[str, Tensor], plain: Any) -> Any:
    """The state from the results of `flatten_state`.

    Raises:
        KeyError, TypeError, ValueError: these are not results of `flatten_state`.
    """
    if isinstance(plain, list):
        return [restore_state(tensors, entry) for entry in plain]
    if isinstance(plain, dict):
        if set(plain) == {"tensor"}:
            return tensors[plain["tensor"]]
        return {restore_state(tensors, key): restore_state(tensors, value) for key, value in plain["dict"]}
    return plain
