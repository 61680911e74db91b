"""Redaction of where items come from: clients that may not send server paths see only the last part of one."""

import re
from dataclasses import replace
from pathlib import PurePosixPath, PureWindowsPath

from crossmodal.filters import CATALOGUE, Where
from crossmodal.items import Item
from engine.live import LiveApp


def shown_name(name: str) -> str:
    """The last part of an absolute path; anything else, such as a URL or a chosen name, unchanged."""
    if name.startswith("/"):
        return PurePosixPath(name).name or "/"
    return PureWindowsPath(name).name if PureWindowsPath(name).is_absolute() else name


def shown_source(source: str) -> str:
    """The last part of an absolute path; a URL without its query, which may contain a signed token."""
    if source.lower().startswith(("http://", "https://")):
        return re.split(r"[?#]", source, maxsplit=1)[0]
    return shown_name(source)


def shown_item(item: Item) -> Item:
    """An item with redacted sources."""
    return replace(item, source=shown_name(item.source), origin=shown_source(item.origin))


def stored_where(app: LiveApp, where: Where) -> Where:
    """Translate a filter with displayed names to the store's: a displayed name matches all sources displayed by it."""
    if CATALOGUE not in where:
        return where
    names = where[CATALOGUE]
    wanted = {shown_name(name) for name in ([names] if isinstance(names, str) else names)}
    stored = [entry.name for entry in app.store.sources.all() if shown_name(entry.name) in wanted]
    return {**where, CATALOGUE: tuple(sorted(wanted.union(stored)))}
