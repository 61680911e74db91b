"""Tar shard source (WebDataset, img2dataset), read without unpacking."""

import json
import tarfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from types import MappingProxyType

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.archives import is_picture_name, leads_outside, location_of
from crossmodal.ingest.sources.base import Entry, SourceLimits, shown, unread
from crossmodal.items import Failure, SourceRow
from crossmodal.text.cleaning import one_line, title_from_location

# An untrusted header may declare any length for a member's name, which would be read at once.
_LONGEST_READ = 2**20
_MOST_MEMBERS = 64
_TEXTS = (".txt", ".json", ".cls")


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a shard. `plain` is False for links, devices and sparse files."""

    name: str
    offset: int
    size: int
    plain: bool


@dataclass(slots=True)
class Sample:
    """The members of one sample.

    Attributes:
        key: common prefix of the members' names.
        picture: the first picture, or None.
        texts: text members by suffix: `.txt`, `.json`, `.cls`.
        members: number of files.
    """

    key: str
    picture: Member | None = None
    texts: dict[str, Member] = field(default_factory=dict)
    members: int = 0

    def take(self, member: Member, ending: str) -> None:
        """Add a file; a second picture or a second text of one suffix is ignored."""
        self.members += 1
        if ending in _TEXTS:
            self.texts.setdefault(ending, member)
        elif self.picture is None and is_picture_name(f"x{ending}"):
            self.picture = member


class _Bounded:
    """A file whose single reads are limited to the size of a header."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_READ:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def samples(path: Path) -> Iterator[Sample]:
    """Yield the samples of a shard in order; reads only headers, in constant memory.

    Raises:
        SourceError: file_malformed: not a tar file, damaged or truncated; samples yielded before are valid.
    """
    sample: Sample | None = None
    for member in _members(path):
        folder, slash, file_name = member.name.rpartition("/")
        stem, dot, rest = file_name.partition(".")
        key = f"{folder}{slash}{stem}"
        if sample is not None and (sample.key != key or sample.members >= _MOST_MEMBERS):
            yield sample
            sample = None
        sample = sample or Sample(key)
        sample.take(member, f".{rest.rpartition('.')[2].lower()}" if dot else "")
    if sample is not None:
        yield sample


def _members(path: Path) -> Iterator[Member]:
    try:
        with path.open("rb") as file, tarfile.open(fileobj=_Bounded(file), mode="r:") as archive:  # type: ignore[call-overload]
            while (info := archive.next()) is not None:
                archive.members = []  # otherwise the reader keeps every header
                if not info.isdir() and not any(part.startswith(".") for part in info.name.split("/") if part not in (".", "..")):
                    yield Member(info.name, info.offset_data, info.size, plain=info.isreg() and not info.issparse())
            file.seek(archive.offset)
            if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:  # the reader does not detect truncation
                raise tarfile.ReadError("no end-of-archive marker")
    except (tarfile.TarError, OSError, ValueError, OverflowError, RecursionError) as error:
        raise SourceError(
            "file_malformed",
            f"{shown(path.name)} is not a valid tar file.",
            remedy="Download or write it again; unpack a .tar.gz first.",
        ) from error


# The pipeline requests pictures some hundred rows behind the row it reads; older positions are searched again.
_PLACES_KEPT = 8192
_WORDS = ("title", "caption", "text")
_MOST_ATTRIBUTES = 50
_DOWNLOAD_AGAIN = "Write the shard again."


class TarSource:
    """A source of the samples in one tar file, or in all tar files of a folder, ordered by name.

    The title is the first line of the sample's `.txt`, or `title`, `caption` or `text` of its `.json`; further lines are captions, and
    other values of the `.json` and the `.cls` are attributes. The key combines the names of shard and sample.

    Args:
        path: a `.tar` file, or a folder of tar files.
        name: identity in the collection; None takes the absolute path.

    Raises:
        SourceError: file_malformed (not a tar file), too_large, csv_no_rows.
    """

    kind = "shards"

    def __init__(self, path: Path, *, limits: SourceLimits, name: str | None = None) -> None:
        self.path = path.resolve()
        self.folder = self.path if self.path.is_dir() else self.path.parent
        self.name = name or str(self.path)
        self.label = self.path.name
        self.location = str(self.path)
        self.duplicates = 0
        self._limits = limits
        self._shards = shards_in(self.path) if self.path.is_dir() else [self.path]
        self._places: OrderedDict[str, tuple[Path, Member]] = OrderedDict()
        self._lock = threading.Lock()
        if not any(True for shard in self._shards for _ in samples(self._checked(shard))):
            raise SourceError(
                "csv_no_rows", f"There are no samples in {shown(self.label)}.", remedy="Give tar files that contain pictures."
            )

    def survey(self) -> int:
        """Number of samples; reads only headers."""
        return sum(self._counted(shard) for shard in self._shards)

    def rows(self) -> Iterator[Entry]:
        """Yield one row per sample; a damaged shard yields the samples before the damage and one failure.

        Raises:
            SourceError: csv_too_many_rows, as soon as it is met.
        """
        count = 0
        for shard in self._shards:
            seen: set[str] = set()
            try:
                for sample in samples(self._checked(shard)):
                    count += 1
                    if count > self._limits.max_rows:
                        break
                    yield self._entry(shard, sample, again=sample.key in seen, count=count)
                    seen.add(sample.key)
            except SourceError as error:
                yield unread(self._failure(shard.name, error.code, error.message, error.remedy), f"{shard.name}/")
            if count > self._limits.max_rows:
                raise SourceError(
                    "csv_too_many_rows",
                    f"{shown(self.label)} has more than {self._limits.max_rows:,} samples.",
                    remedy="Give fewer shards, or raise CROSSMODAL_MAX_CATALOGUE_ROWS.",
                )

    def held(self, row: SourceRow) -> bytes:
        """The bytes of a row's picture. Raises SourceError: file_malformed."""
        with self._lock:
            place = self._places.get(row.key)
        if place is None:
            place = self._found_again(row.key)
        return self._read(*place)

    def _entry(self, shard: Path, sample: Sample, *, again: bool, count: int) -> Entry:
        key, picture = f"{shard.name}/{sample.key}", sample.picture
        if again:
            return self._failure(f"{key} ({count})", "row_errors", f"The sample {shown(key)} occurs twice.", _DOWNLOAD_AGAIN)
        if picture is None:
            return self._failure(key, "row_errors", f"The sample {shown(key)} contains no picture.", _DOWNLOAD_AGAIN)
        if leads_outside(picture.name) or not picture.plain:
            what = f"{shown(picture.name)} is a link, or its name leads out of the archive."
            return self._failure(key, "path_outside", what, _DOWNLOAD_AGAIN)
        if picture.size > self._limits.max_image_bytes:
            size, most = picture.size / 2**20, self._limits.max_image_bytes / 2**20
            what = f"{shown(picture.name)} is {size:,.1f} MiB; {most:,.1f} MiB are the maximum."
            return self._failure(key, "too_large", what, "Make it smaller.")
        with self._lock:
            self._places[key] = (shard, picture)
            while len(self._places) > _PLACES_KEPT:
                self._places.popitem(last=False)
        try:
            return self._row(key, shard, sample)
        except SourceError as error:
            return self._failure(key, error.code, error.message, error.remedy)

    def _row(self, key: str, shard: Path, sample: Sample) -> SourceRow:
        lines = tuple(text for text in map(one_line, self._text(shard, sample, ".txt").splitlines()) if text)
        named = self._named(shard, sample)
        words_named = next((named[word] for word in _WORDS if named.get(word)), "")
        words = lines or ((one_line(words_named),) if one_line(words_named) else ())
        label = one_line(self._text(shard, sample, ".cls"))
        attributes = {name: value for name, value in named.items() if name not in _WORDS} | ({"cls": label} if label else {})
        return SourceRow(
            key=key,
            title=words[0] if words else title_from_location(sample.key),
            location=location_of(key),
            captions=words if len(words) > 1 else (),
            attributes=MappingProxyType(attributes),
        )

    def _named(self, shard: Path, sample: Sample) -> dict[str, str]:
        """The scalar values of the sample's JSON as texts; empty without JSON."""
        text = self._text(shard, sample, ".json")
        try:
            values = json.loads(text) if text else {}
        except (ValueError, RecursionError) as error:
            raise SourceError(
                "file_malformed", f"The JSON of {shown(sample.key)} cannot be read.", remedy=_DOWNLOAD_AGAIN
            ) from error
        if not isinstance(values, dict):
            return {}
        plain = {
            name: str(value) for name, value in values.items() if name and isinstance(value, str | int | float) and value != ""
        }
        return dict(list(plain.items())[:_MOST_ATTRIBUTES])

    def _text(self, shard: Path, sample: Sample, ending: str) -> str:
        member = sample.texts.get(ending)
        if member is None or not member.plain:
            return ""
        if member.size > self._limits.max_text_bytes:
            raise SourceError("too_large", f"{shown(member.name)} is too long for a text.", remedy=_DOWNLOAD_AGAIN)
        try:
            return self._read(shard, member).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise SourceError("csv_encoding", f"{shown(member.name)} is not UTF-8 text.", remedy="Save it as UTF-8.") from error

    def _read(self, shard: Path, member: Member) -> bytes:
        try:
            with shard.open("rb") as file:
                file.seek(member.offset)
                data = file.read(member.size)
        except OSError as error:
            raise SourceError(
                "file_missing", f"{shown(shard.name)} cannot be read: {error.strerror}.", remedy="Check the disk."
            ) from error
        if len(data) < member.size:
            raise SourceError("file_malformed", f"{shown(shard.name)} ends too early.", remedy=_DOWNLOAD_AGAIN)
        return data

    def _found_again(self, key: str) -> tuple[Path, Member]:
        for shard in self._shards:
            if key.startswith(f"{shard.name}/"):
                for sample in samples(shard):
                    if sample.picture is not None and f"{shard.name}/{sample.key}" == key:
                        return shard, sample.picture
        raise SourceError("file_missing", f"There is no sample {shown(key)}.", remedy=_DOWNLOAD_AGAIN)

    def _counted(self, shard: Path) -> int:
        """Number of rows of a shard: its samples, plus one if it is damaged."""
        count = 0
        try:
            for _ in samples(self._checked(shard)):
                count += 1
        except SourceError:
            count += 1
        return count

    def _checked(self, shard: Path) -> Path:
        try:
            size = shard.stat().st_size
        except OSError:
            return shard  # reading it says what is wrong
        if size > self._limits.max_archive_bytes:
            raise SourceError("too_large", f"{shown(shard.name)} is {size / 2**30:,.0f} GiB.", remedy="Write smaller shards.")
        return shard

    def _failure(self, key: str, code: str, reason: str, remedy: str) -> Failure:
        return Failure(
            key=key, source=self.name, location=key, title=title_from_location(key), code=code, reason=reason, remedy=remedy
        )


def shards_in(folder: Path) -> list[Path]:
    """The tar files of a folder, ordered by name, without hidden ones."""
    return sorted(path for path in folder.glob("*.tar") if not path.name.startswith(".") and path.is_file())
