"""Every kind of index by name; `index_kind` of the settings chooses one."""

from crossmodal.indexes.base import VectorIndex
from crossmodal.indexes.exact import ExactIndex
from crossmodal.registry import Registry

INDEX_KINDS: Registry[type[VectorIndex]] = Registry("index kind")
INDEX_KINDS.register("exact", ExactIndex)
