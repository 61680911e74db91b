"""The application by its documented name; what it does is in `engine/core.py`."""

from engine.core import SearchEngine
from engine.models.generations import Generation
from engine.query import Query, SearchAnswer
from engine.validation import Limits

__all__ = ["Generation", "Limits", "LostFoundApp", "Query", "SearchAnswer"]


class LostFoundApp(SearchEngine):
    """Search and maintain one collection: `search_by_text`, `search_by_image`, `add_new_item` and the rest of `SearchEngine`."""

    _find_similar = SearchEngine.find_similar
    _load_index_from_disk = SearchEngine.load_index
    _save_index_to_disk = SearchEngine.save_index
    _build_index_from_dataset = SearchEngine.index_dataset
