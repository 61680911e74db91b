"""The one durable store: items, their pictures and embeddings, failures and sources, in one SQLite file."""

from crossmodal.store.changes import Changes, Feed
from crossmodal.store.item_sources import ItemTexts
from crossmodal.store.items import Known
from crossmodal.store.models import ModelSwitched
from crossmodal.store.sources import SourceInfo
from crossmodal.store.store import Store

__all__ = ["Changes", "Feed", "ItemTexts", "Known", "ModelSwitched", "SourceInfo", "Store"]
