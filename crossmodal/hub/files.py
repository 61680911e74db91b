"""The files of a checkpoint on this computer, and the record of what they contain.

A record (`weights/NAME.json`) names a folder and holds size, modification time and SHA-256 of each of its files. Every load compares size
and time, which costs nothing; a file that differs in either is read and hashed, and so are all of them when that is asked for.
"""

import hashlib
import json
import re
import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from crossmodal.atomic import write_whole
from crossmodal.errors import StoreError, WeightsError
from crossmodal.installation import PROGRAM_DIR
from crossmodal.progress import check_stop

SETTINGS = (
    *("config.json", "preprocessor_config.json", "processor_config.json"),
    *("tokenizer_config.json", "special_tokens_map.json", "tokenizer.json"),
)
VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model")
"""Needed only where there is no `tokenizer.json`."""
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Weights of a folder, the first that exists; an index lists the files that the tensors are spread over."""

_CHUNK = 2**20
_PLAIN_NAME = re.compile(r"\w[\w.-]{0,200}", re.ASCII)
_SHARD = re.compile(r"(model-\d{5}-of-\d{5}\.safetensors|pytorch_model-\d{5}-of-\d{5}\.bin)", re.ASCII)


def wanted(names: Collection[str]) -> list[str]:
    """Those of these files that a network is loaded from, small ones first. All are plain names out of fixed lists."""
    chosen = [name for name in SETTINGS if name in names]
    if "tokenizer.json" not in names:
        chosen += [name for name in VOCABULARIES if name in names]
    weights = next((name for name in WEIGHTS if name in names), None)
    if weights is None:
        return chosen
    shards = sorted(name for name in names if _SHARD.fullmatch(name) and name.startswith(weights.partition(".")[0] + "-"))
    return [*chosen, weights, *(shards if weights.endswith(".json") else [])]


def weight_files(folder: Path) -> list[Path]:
    """The files with the weights of a folder.

    Raises:
        OSError, ValueError: there are none, or their index is damaged or names a file elsewhere.
    """
    first = next((path for name in WEIGHTS if (path := folder / name).is_file()), None)
    if first is None:
        raise FileNotFoundError(folder / WEIGHTS[0])
    if first.suffix != ".json":
        return [first]
    names = sorted(set(json.loads(first.read_text(encoding="utf-8"))["weight_map"].values()))
    if not all(isinstance(name, str) and _PLAIN_NAME.fullmatch(name) for name in names):
        raise ValueError("a weights file outside its folder")
    return [folder / name for name in names]


def is_complete(folder: Path) -> bool:
    """Whether a folder has the files that a network is loaded from."""
    try:
        return (folder / "config.json").is_file() and all(file.is_file() for file in weight_files(folder))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def sha256_of(file: Path, stop: threading.Event | None = None) -> str:
    """SHA-256 of a file in hex. Raises OSError; Stopped when `stop` is set."""
    hashed = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            check_stop(stop, "Checking the files")
            hashed.update(chunk)
    return hashed.hexdigest()


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file as it was when its content was last hashed."""

    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Record:
    """The files of one checkpoint.

    Attributes:
        path: of the record.
        repository, commit: where they were downloaded from; empty for a folder that the user named.
        folder: where they lie.
    """

    path: Path
    repository: str
    commit: str
    folder: Path
    files: Mapping[str, FileRecord]

    @property
    def digest(self) -> str:
        """SHA-256 in hex over the names and contents of all files."""
        lines = "".join(f"{name} {self.files[name].sha256}\n" for name in sorted(self.files))
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())

    def write(self) -> "Record":
        """Write the record. Raises StoreError."""
        inside = self.folder.parent == self.path.parent
        content = {
            "repository": self.repository,
            "commit": self.commit,
            "folder": self.folder.name if inside else str(self.folder.absolute()),
            "files": {name: asdict(file) for name, file in self.files.items()},
        }
        write_whole(self.path, json.dumps(content, indent=1).encode(), durable=True)
        return self

    def check(self, *, whole: bool = False, stop: threading.Event | None = None) -> "Record":
        """Compare the files with the record. Those with another size or modification time are hashed, with `whole` all.

        Returns:
            The record, with the present times.

        Raises:
            WeightsError: a file is missing or has another content. Stopped.
        """
        found = {}
        for name, known in self.files.items():
            file = self.folder / name
            try:
                now = file.stat()
                same = (now.st_size, now.st_mtime_ns) == (known.size, known.mtime_ns) and not whole
                sha256 = known.sha256 if same or now.st_size != known.size else sha256_of(file, stop)
            except OSError as error:
                raise self._refused(f"{name} is missing or cannot be read") from error
            if now.st_size != known.size or sha256 != known.sha256:
                raise self._refused(f"{name} was changed: its SHA-256 is not the recorded one")
            found[name] = replace(known, mtime_ns=now.st_mtime_ns)
        if found == dict(self.files):
            return self
        checked = replace(self, files=found)
        try:
            return checked.write()
        except StoreError:  # a read-only folder: the next load hashes again
            return checked

    def _refused(self, why: str) -> WeightsError:
        remedy = f"Delete {self.folder} and {self.path.name} and fetch the model again, or put back the file."
        return WeightsError("weights_missing", f"In {self.folder.name}, {why}.", remedy=remedy)


def read_record(path: Path) -> Record:
    """The record in a file; nothing is compared yet.

    Raises:
        WeightsError: it is missing or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = {str(name): FileRecord(**file) for name, file in content["files"].items()}
        if not all(_PLAIN_NAME.fullmatch(name) for name in files):
            raise ValueError("a file elsewhere")
        return Record(path, str(content["repository"]), str(content["commit"]), path.parent / str(content["folder"]), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "Fetch the model again: its files are used where they are whole."
        raise WeightsError(
            "weights_missing", f"The record {path.name} of a model's files cannot be read.", remedy=remedy
        ) from error


def portable(path: Path) -> str:
    """A path as it is stored: relative to the folder of this program, if it lies there, so that both can be moved together."""
    whole = path.absolute()
    return str(whole.relative_to(PROGRAM_DIR)) if whole.is_relative_to(PROGRAM_DIR) else str(whole)


def located(stored: str) -> Path:
    """The path that `portable` made this of."""
    return PROGRAM_DIR / stored


def recorded(folder: Path, path: Path, *, repository: str) -> Record:
    """The record of a folder that is used: the one at `path`, a new one there, or one beside it if that is of other files.

    Raises:
        WeightsError: a file was changed since it was recorded. StoreError: the record cannot be written.
    """
    try:
        known = read_record(path)
    except WeightsError:
        return record_folder(path, folder, repository=repository)
    if known.folder.absolute() == folder.absolute():
        return known.check()
    made = _hashed(path, folder, repository)
    if made.digest != known.digest:
        made = replace(made, path=path.with_stem(f"{path.stem}-{made.digest[:12]}"))
    return made.write()


def record_folder(
    path: Path, folder: Path, *, repository: str = "", commit: str = "", stop: threading.Event | None = None
) -> Record:
    """Hash the files of a folder and write their record.

    Raises:
        WeightsError: the folder is no complete checkpoint. StoreError: the record cannot be written. Stopped.
    """
    return _hashed(path, folder, repository, commit, stop).write()


def _hashed(path: Path, folder: Path, repository: str, commit: str = "", stop: threading.Event | None = None) -> Record:
    if not is_complete(folder):
        remedy = "Name a folder that holds config.json, tokenizer.json and model.safetensors."
        raise WeightsError("weights_missing", f"The folder {folder.name or folder} has no model that can be read.", remedy=remedy)
    names = dict.fromkeys([*wanted([entry.name for entry in folder.iterdir()]), *(file.name for file in weight_files(folder))])
    files = {}
    for name in names:
        now = (folder / name).stat()
        files[name] = FileRecord(now.st_size, now.st_mtime_ns, sha256_of(folder / name, stop))
    return Record(path, repository, commit, folder, files)
