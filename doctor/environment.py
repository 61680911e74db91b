"""Checks of the environment: versions, disk, decoder."""

import re
import shutil
import struct
import sys
import zlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from crossmodal.errors import CrossmodalError
from doctor.finding import INSTALL, REINSTALL_DECODER, Finding, Subject, quoted

LEAST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 512 * 2**20
_PIN = re.compile(r"^([A-Za-z0-9_.\-]+)==([A-Za-z0-9_.!]+)")


def check_versions(subject: Subject, installed: Callable[[str], str] = metadata.version) -> list[Finding]:
    """Check the versions of Python and of every package in requirements.txt."""
    found = []
    if sys.version_info < LEAST_PYTHON:
        what = f"Python {sys.version_info.major}.{sys.version_info.minor} runs this; 3.11 or newer is needed."
        found.append(Finding("python_version", what, "make PYTHON=python3.11 run"))
    wrong = []
    for name, pinned in pins(subject.place.project / "requirements.txt").items():
        try:
            present = installed(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            present = "missing"
        if present != pinned:
            wrong.append(f"{name} {present} instead of {pinned}")
    if wrong:
        found.append(Finding("package_versions", f"Packages differ from requirements.txt: {', '.join(wrong)}.", INSTALL))
    return found


def pins(path: Path) -> dict[str, str]:
    """`name==version` lines of a requirements file; empty when there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # an installed package
        return {}
    return {match[1]: match[2] for match in map(_PIN.match, lines) if match}


def check_disk(subject: Subject, free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free) -> list[Finding]:
    """Check free disk space; below 0.5 GB is a finding."""
    place = subject.place
    free = _free_bytes_of(place.data_dir, free_bytes)
    if free >= LEAST_FREE_BYTES:
        return []
    # Only caches may be deleted: an export, a rejected model or a store of an older format may be the only copy of something.
    cache = place.data_dir / "cache"
    try:
        spare = any(cache.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        spare = False
    moved = f"mv {quoted(place.data_dir)} /a/larger/disk && export CROSSMODAL_DATA_DIR=/a/larger/disk/{place.data_dir.name}"
    cure = f"rm -r {quoted(cache)}" if spare else moved
    return [Finding("disk_nearly_full", f"{free / 2**20:,.0f} MiB are left on the disk of {place.data_dir}.", cure)]


def _free_bytes_of(folder: Path, free_bytes: Callable[[Path], int]) -> int:
    """Free bytes on the disk of a folder that need not exist yet."""
    for path in (folder, *folder.parents):
        try:
            return free_bytes(path)
        except FileNotFoundError:  # made later, on the disk of the folder above
            continue
    raise FileNotFoundError(folder)


def check_decoder(subject: Subject) -> list[Finding]:
    """Decode a test picture in a decoding process."""
    try:
        picture = subject.decoder.decode(small_png(), square_px=32)
    except (CrossmodalError, OSError) as error:
        what = f"Pictures cannot be opened: {error}"
        return [Finding("decoder", what, REINSTALL_DECODER)]
    if (picture.width_px, picture.height_px) != (8, 8) or not 100 < float(picture.pixels.mean()) < 155:
        return [Finding("decoder", "A test picture was decoded incorrectly.", REINSTALL_DECODER)]
    return []


def small_png() -> bytes:
    """A PNG of 8 x 8 pixels, half black, half white (PNG, W3C recommendation, sections 5 and 11)."""
    rows = b"".join(b"\0" + (b"\0\0\0" * 4 + b"\xff\xff\xff" * 4) for _ in range(8))
    chunks = ((b"IHDR", struct.pack(">2I5B", 8, 8, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    packed = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
