"""The one durable store: items, their pictures and embeddings, failures and catalogues, in one SQLite file."""

from crossmodal.store.active_model import ModelSwitched
from crossmodal.store.filters import Conditions, Filter
from crossmodal.store.records import CatalogueInfo, Changes, ItemTexts, Known
from crossmodal.store.store import Catalog

__all__ = ["Catalog", "CatalogueInfo", "Changes", "Conditions", "Filter", "ItemTexts", "Known", "ModelSwitched"]
