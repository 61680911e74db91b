"""What names inside an archive may be. Nothing is ever unpacked to the disk; a name that leads elsewhere is refused all the same."""

from pathlib import PurePosixPath, PureWindowsPath

from crossmodal.ingest.sources.folder import PICTURE_SUFFIXES


def is_picture_name(name: str) -> bool:
    """Whether a member is a picture by its ending, and neither hidden nor what macOS packs beside the pictures."""
    path = PurePosixPath(name.replace("\\", "/"))
    if any((part.startswith(".") and part not in ("..", ".")) or part == "__MACOSX" for part in path.parts):
        return False
    return path.suffix.lower() in PICTURE_SUFFIXES


def leads_outside(name: str) -> bool:
    """Whether a name is absolute, names a drive, or climbs with "..": such an archive was made to be unpacked over other files."""
    windows = PureWindowsPath(name)
    return bool(windows.drive or windows.root or name.startswith("/") or ".." in windows.parts)


def location_of(name: str) -> str:
    """The name as a row's location: "a:b.jpg" would otherwise read as an address with a scheme."""
    return f"./{name}" if ":" in name else name
