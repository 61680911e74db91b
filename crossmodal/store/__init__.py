"""The one durable store: items, their pictures and embeddings, failures and catalogues, in one SQLite file."""

from crossmodal.store.active_model import ModelSwitched
from crossmodal.store.filters import Conditions, Filter
from crossmodal.store.records import Changes, ItemTexts, Known, SourceInfo
from crossmodal.store.store import Store

__all__ = ["Changes", "Conditions", "Filter", "ItemTexts", "Known", "ModelSwitched", "SourceInfo", "Store"]
