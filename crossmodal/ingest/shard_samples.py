"""A tar shard as samples: members that lie together and share a name up to the first dot, as WebDataset and img2dataset write them."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from crossmodal.errors import CatalogueError
from crossmodal.ingest.archive_names import is_picture_name
from crossmodal.ingest.wording import shown

# A header of a stranger may claim any length for a member's name; all of it would be read at once.
_LONGEST_READ = 2**20
_MOST_MEMBERS = 64
_TEXTS = (".txt", ".json", ".cls")


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a shard. `plain` is False for links, devices and files with holes."""

    name: str
    offset: int
    size: int
    plain: bool


@dataclass(slots=True)
class Sample:
    """What a shard says of one picture.

    Attributes:
        key: common part of the members' names.
        picture: the first picture, None when there is none.
        texts: members with words, by their ending: `.txt`, `.json`, `.cls`.
        members: how many files it has.
    """

    key: str
    picture: Member | None = None
    texts: dict[str, Member] = field(default_factory=dict)
    members: int = 0

    def take(self, member: Member, ending: str) -> None:
        """Add a file; a second picture or text of a kind is left out."""
        self.members += 1
        if ending in _TEXTS:
            self.texts.setdefault(ending, member)
        elif self.picture is None and is_picture_name(f"x{ending}"):
            self.picture = member


class _Bounded:
    """A file that gives no more than a header's worth at once."""

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
    """The samples of a shard in their order; only headers are read, and memory does not grow with the shard.

    Raises:
        CatalogueError: file_malformed, it is no tar file, damaged there or cut short; what came before is valid.
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
                archive.members = []  # the reader would keep every header it ever saw
                if not info.isdir() and not any(part.startswith(".") for part in info.name.split("/") if part not in (".", "..")):
                    yield Member(info.name, info.offset_data, info.size, plain=info.isreg() and not info.issparse())
            file.seek(archive.offset)
            if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:  # the reader takes an end too early for the end
                raise tarfile.ReadError("no mark at the end")
    except (tarfile.TarError, OSError, ValueError, OverflowError, RecursionError) as error:
        raise CatalogueError(
            "file_malformed",
            f"{shown(path.name)} is not a sound tar file.",
            remedy="Download or write it again; a .tar.gz is unpacked first.",
        ) from error
