"""The one durable store: items, their pictures and embeddings, failures and catalogues, in one SQLite file."""

from crossmodal.catalog.active import ModelSwitched
from crossmodal.catalog.filters import Conditions, Filter
from crossmodal.catalog.records import CatalogueInfo, Changes, ItemTexts, Known
from crossmodal.catalog.store import Catalog

__all__ = ["Catalog", "CatalogueInfo", "Changes", "Conditions", "Filter", "ItemTexts", "Known", "ModelSwitched"]
