"""Every kind of index by name; `index_kind` of the settings chooses one."""

from crossmodal.indexes.base import VectorIndex
from crossmodal.indexes.exact import ExactIndex

INDEX_KINDS: dict[str, type[VectorIndex]] = {
    "exact": ExactIndex,
}
"""A new kind is a file with a `VectorIndex`, and one line here: the contract test runs on every entry."""
