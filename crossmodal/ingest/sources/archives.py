"""Rules for names inside archives. Nothing is unpacked to disk, but names that lead outside are refused anyway."""

from pathlib import PurePosixPath, PureWindowsPath

from crossmodal.ingest.sources.folder import PICTURE_SUFFIXES


def is_picture_name(name: str) -> bool:
    """Whether a member has a picture suffix and is neither hidden nor macOS metadata."""
    path = PurePosixPath(name.replace("\\", "/"))
    if any((part.startswith(".") and part not in ("..", ".")) or part == "__MACOSX" for part in path.parts):
        return False
    return path.suffix.lower() in PICTURE_SUFFIXES


def leads_outside(name: str) -> bool:
    """Whether a name is absolute, names a drive, or contains ".."; such archives are made to overwrite other files when unpacked."""
    windows = PureWindowsPath(name)
    return bool(windows.drive or windows.root or name.startswith("/") or ".." in windows.parts)


def location_of(name: str) -> str:
    """The name as a row's location; prevents "a:b.jpg" from being parsed as a URL scheme."""
    return f"./{name}" if ":" in name else name
