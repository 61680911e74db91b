"""Add, change, remove and restore single items."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from crossmodal.errors import CrossmodalError, QueryError
from crossmodal.items import AddOutcome, Item, NewItem, Picture, texts_of
from crossmodal.store import ModelSwitched, Store
from crossmodal.store.texts import TextEmbeddings
from crossmodal.text.cleaning import display_text, title_from_location
from engine.encoding import Encoding, encoded_texts, reads_titles
from engine.info import ADDED
from engine.models.generations import Generations
from engine.models.trained import TrainedModel
from engine.validation import Limits, attributes_of, captions_of, title_of

T = TypeVar("T")
_TRIES = 3


class ItemEditor:
    """Changes of single items, each durable when its method returns. Thread-safe.

    Args:
        generations: the active model and a prepared one; added items get embeddings of both.
    """

    def __init__(self, store: Store, generations: Generations, encoding: Encoding, limits: Limits) -> None:
        self._store = store
        self._generations = generations
        self._encoding = encoding
        self._limits = limits

    def add(
        self,
        picture: Picture,
        title: str | None,
        *,
        origin: str = "",
        captions: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> AddOutcome:
        """Add a decoded picture, unless the same file was added by hand before. Without a title (None) it gets one from its origin's name.

        Raises:
            QueryError: `bad_request`: text fields of the wrong type. StoreError: writing failed; nothing changed.
        """
        key = f"{ADDED}:{picture.content_hash}"
        if title is None and origin:
            title = title_from_location(origin)
        name, said = title_of(self._limits, title), captions_of(self._limits, captions)
        named = attributes_of(self._limits, attributes or {})
        known = self._store.items.known([key]).get(key)
        if known is not None and not known.removed:
            return AddOutcome(known.item, created=False)

        def write(models: Sequence[TrainedModel]) -> tuple[Item, bool]:
            embeddings = {model.model_id: self._encoding.item(model, picture, name) for model in models}
            first = models[0].model_id
            entry = NewItem(
                key=key,
                title=name,
                picture=picture,
                embedding=embeddings.pop(first),
                source=ADDED,
                origin=display_text(origin, max_chars=self._limits.max_title_chars),
                captions=said,
                attributes=named,
            )
            return self._store.items.add(
                entry,
                model_id=first,
                other_embeddings=embeddings,
                text_embeddings=self._new_text_embeddings(models, texts_of(name, said)),
            )

        item, created = self._with_models(write)
        return AddOutcome(item, created=created or known is not None)

    def update(self, item_id: int, *, title: str | None, attributes: Mapping[str, str] | None) -> Item:
        """Replace the title or the attributes or both; None keeps them. Searches reflect the new title at once.

        Raises:
            QueryError: `not_found`; `bad_request`: text fields of the wrong type.
        """
        name = None if title is None else title_of(self._limits, title)
        named = None if attributes is None else attributes_of(self._limits, attributes)
        former = self._store.items.get(item_id)
        if name is None or name == former.title:
            return self._store.items.edit(item_id, attributes=named)

        def write(models: Sequence[TrainedModel]) -> Item:
            said = self._new_text_embeddings(models, texts_of(name, former.captions))
            pictured = [model for model in models if reads_titles(model)]
            titled = {}
            for model in pictured:
                pixels = self._encoding.stored_pixels(model, self._store.pictures.rendition(item_id))
                titled[model.model_id] = model.encode_items(pixels[None], [name])[0]
            return self._store.items.edit(item_id, title=name, attributes=named, text_embeddings=said, title_embeddings=titled)

        return self._with_models(write)

    def remove(self, item_id: int) -> Item:
        """Remove an item from the collection. Raises QueryError `not_found`."""
        item = self._store.items.get(item_id)
        self._store.items.remove([item_id])
        return item

    def restore(self, item_id: int) -> Item:
        """Undo `remove`. An item removed before a model switch is embedded with the new model.

        Idempotent: an item that is not removed stays unchanged.

        Raises:
            QueryError: `not_found`. StoreError, PictureError: its stored picture cannot be read to embed it; it stays removed.
        """
        restored = self._store.items.restore([item_id])
        item = self._store.items.get(item_id)
        try:
            self._embed_again(item)
        except CrossmodalError:
            self._store.items.remove(restored)  # nobody would find it
            raise
        return item

    def _embed_again(self, item: Item) -> None:
        """Compute missing embeddings of an item and its texts."""
        models = self._generations.written()
        for model in models:
            try:
                self._store.embeddings.get(item.item_id, model.model_id)
            except QueryError:
                pixels = self._encoding.stored_pixels(model, self._store.pictures.rendition(item.item_id))
                self._store.embeddings.add(model.model_id, [(item, model.encode_items(pixels[None], [item.title])[0])])
        self._store.texts.add_embeddings(self._new_text_embeddings(models, texts_of(item.title, item.captions)))

    def _new_text_embeddings(self, models: Sequence[TrainedModel], texts: Sequence[str]) -> TextEmbeddings:
        """Embeddings of the texts that have none yet."""
        found = {}
        for model in models:
            known = self._store.texts.embedded(texts, model.model_id) if texts else set()
            found[model.model_id] = encoded_texts(model, [text for text in texts if text not in known])
        return found

    def _with_models(self, write: Callable[[Sequence[TrainedModel]], T]) -> T:
        """Call `write` with the current models; retry if they are replaced meanwhile."""
        for _ in range(_TRIES):
            try:
                return write(self._generations.written())
            except ModelSwitched as error:
                switched = error
        raise switched
