"""Encode pictures and texts with any model."""

from collections.abc import Sequence

import numpy as np

from crossmodal.images.decoder import Decoder
from crossmodal.items import Embedding, Picture, Pixels
from crossmodal.store.checksums import UNIT_TOLERANCE
from crossmodal.text.cleaning import plain_text, words
from engine.models.trained import TrainedModel


class Encoding:
    """Embeddings by any model, including models with another input size than the decoded picture.

    Args:
        decoder: decodes a stored picture at another size.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def picture(self, model: TrainedModel, picture: Picture) -> Embedding:
        """Embedding of the picture alone. Shape: (embed_dim,) float32, unit length."""
        embedding: Embedding = model.encode_pixels(self._pixels(model, picture)[None])[0]
        return embedding

    def item(self, model: TrainedModel, picture: Picture, title: str) -> Embedding:
        """Embedding of an item with this picture and title. Shape: (embed_dim,) float32, unit length."""
        embedding: Embedding = model.encode_items(self._pixels(model, picture)[None], [title])[0]
        return embedding

    def stored_pixels(self, model: TrainedModel, rendition: bytes) -> Pixels:
        """A stored picture at the model's input size. Shape: (size, size, 3) uint8."""
        return self._decoder.decode(rendition, square_px=model.spec.image_size_px, fit=model.spec.fit).pixels

    def _pixels(self, model: TrainedModel, picture: Picture) -> Pixels:
        if picture.pixels.shape[0] == model.spec.image_size_px and picture.fit == model.spec.fit:
            return picture.pixels
        return self.stored_pixels(model, picture.rendition)


def encoded_texts(model: TrainedModel, texts: Sequence[str]) -> dict[str, Embedding]:
    """Map each distinct text to its embedding, (embed_dim,) float32, unit length; texts that the model cannot encode are omitted."""
    plain = {text: plain_text(text) for text in dict.fromkeys(texts)}
    different = [text for text, visible in plain.items() if words(visible)]
    if not different:
        return {}
    rows = model.encode_texts([plain[text] for text in different])
    lengths = np.linalg.norm(rows, axis=1)
    return {text: row for text, row, length in zip(different, rows, lengths, strict=True) if abs(length - 1.0) <= UNIT_TOLERANCE}


def reads_titles(model: TrainedModel) -> bool:
    """Whether the model's item embeddings also depend on titles."""
    return model.spec.item_embedding == "hybrid"
