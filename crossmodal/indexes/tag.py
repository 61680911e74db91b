"""What a saved index says about itself: whose past it holds, and up to where."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IndexTag:
    """Where in a catalog's feed of changes an index stands.

    Attributes:
        store_uuid: the catalog it was built from.
        model_id: the model whose embeddings it holds.
        seq, removal_seq: the position in the feed.
        mark, removal_mark: what lay in the feed at `seq` and at `removal_seq`, so that a catalog restored from an older copy is noticed.
    """

    store_uuid: str
    model_id: str
    seq: int = 0
    removal_seq: int = 0
    mark: str = ""
    removal_mark: str = ""
