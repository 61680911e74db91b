"""What items and their catalogues are called on the page."""

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from crossmodal.items import Item
from ui.literal import clean

NO_TITLE = "No title"
BY_HAND = "added"
"""The name under which the collection keeps what belongs to no catalogue."""


def title_of(item: Item) -> str:
    """Its title; without one the last part of where it came from (the file name); without that, that it has none."""
    return (
        clean(item.title)
        or clean(PurePosixPath(urlsplit(item.source).path if "://" in item.source else item.source).name)
        or NO_TITLE
    )


def catalogue_called(name: str) -> str:
    """What the page calls a catalogue."""
    return "Added by hand" if name == BY_HAND else clean(name)
