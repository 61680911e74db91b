"""From decoded pictures to items with embeddings; what was encoded once is not encoded again."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from crossmodal.catalog import Catalog
from crossmodal.ingest.outcomes import Decoded
from crossmodal.items import Embedding, NewItem, Pixels

Encode = Callable[[Pixels], Embedding]
EncodeTitled = Callable[[Pixels, Sequence[str]], Embedding]
EncodeTexts = Callable[[Sequence[str]], Mapping[str, Embedding]]


def new_items(
    decoded: Sequence[Decoded],
    catalog: Catalog,
    *,
    encode: Encode,
    encode_titled: EncodeTitled | None = None,
    model_id: str,
    catalogue: str,
) -> list[NewItem]:
    """An item for each picture, in their order; empty for none.

    Equal files have one embedding: the collection's when it has one of this model, otherwise they are encoded once.

    Args:
        encode: (n, square_px, square_px, 3) uint8 to (n, embed_dim) float32 of length 1; not called for n = 0.
        encode_titled: the same with n titles, for a model that reads them: equal files with other titles are then encoded each.
    """
    if encode_titled is not None and decoded:
        rows = encode_titled(np.stack([each.picture.pixels for each in decoded]), [each.task.row.title for each in decoded])
        return [_item(each, row, catalogue=catalogue) for each, row in zip(decoded, rows, strict=True)]
    embeddings: dict[str, Embedding] = {}
    fresh: dict[str, Pixels] = {}
    for content_hash, pixels in {each.picture.content_hash: each.picture.pixels for each in decoded}.items():
        stored = catalog.embedding_of_content(content_hash, model_id)
        if stored is None:
            fresh[content_hash] = pixels
        else:
            embeddings[content_hash] = stored
    if fresh:
        embeddings.update(zip(fresh, encode(np.stack(list(fresh.values()))), strict=True))
    return [_item(each, embeddings[each.picture.content_hash], catalogue=catalogue) for each in decoded]


def text_embeddings(
    texts: Sequence[str], catalog: Catalog, *, encode_texts: EncodeTexts | None, model_id: str
) -> Mapping[str, Mapping[str, Embedding]]:
    """Embeddings of those texts that have none in the collection yet, encoded together; empty without an encoder.

    Args:
        encode_texts: n texts to the embeddings of those it understands, (embed_dim,) float32 of length 1; not called for n = 0.
    """
    if encode_texts is None or not texts:
        return {}
    known = catalog.embedded_texts(texts, model_id)
    fresh = [text for text in dict.fromkeys(texts) if text not in known]
    return {model_id: encode_texts(fresh)} if fresh else {}


def _item(decoded: Decoded, embedding: Embedding, *, catalogue: str) -> NewItem:
    row = decoded.task.row
    return NewItem(
        key=decoded.task.key,
        title=row.title,
        picture=decoded.picture,
        embedding=embedding,
        catalogue=catalogue,
        source=row.location,
        captions=row.captions,
        attributes=row.attributes,
        held_out=row.held_out,
    )
