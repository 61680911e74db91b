"""Names of catalogues as a client sees them. A folder or file that was indexed is named by its path on the server's computer, of which a
stranger is shown the last part only."""

from pathlib import PurePosixPath, PureWindowsPath

from crossmodal.catalog import Filter
from crossmodal.catalog.filters import CATALOGUE, checked
from upkeep.live_app import LiveApp


def shown_name(name: str) -> str:
    """The last part of an absolute path; anything else, such as a web address or a chosen name, as it is."""
    if name.startswith("/"):
        return PurePosixPath(name).name or "/"
    return PureWindowsPath(name).name if PureWindowsPath(name).is_absolute() else name


def stored_where(app: LiveApp, where: Filter | None) -> Filter:
    """A filter in shown names, as the store understands it: a name stands for every catalogue that is shown by it.

    Raises:
        QueryError: `bad_request`, an impossible filter.
    """
    conditions = dict(checked(where))
    if CATALOGUE not in conditions:
        return conditions
    wanted = {shown_name(name) for name in conditions[CATALOGUE]}
    stored = [entry.name for entry in app.catalog.catalogues() if shown_name(entry.name) in wanted]
    return conditions | {CATALOGUE: tuple(sorted(wanted.union(stored)))}
