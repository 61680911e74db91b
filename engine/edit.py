"""Add, change, remove and restore single items."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from crossmodal.errors import CrossmodalError, QueryError
from crossmodal.items import AddOutcome, Item, ItemSource, NewItem, Picture, texts_of
from crossmodal.store import ModelSwitched, Store
from crossmodal.store.item_sources import joined
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
        """Add a decoded picture. If an item shows the same file, the words are joined to its own and nothing is created.

        Without a title (None) it gets one from its origin's name.

        Raises:
            QueryError: `bad_request`: text fields of the wrong type. StoreError: writing failed; nothing changed.
        """
        if title is None and origin:
            title = title_from_location(origin)
        row = ItemSource(
            f"{ADDED}:{picture.content_hash}",
            ADDED,
            title_of(self._limits, title),
            display_text(origin, max_chars=self._limits.max_title_chars),
            captions_of(self._limits, captions),
            attributes_of(self._limits, attributes or {}),
        )
        known = self._store.items.known([row.key]).get(row.key)
        if known is not None and not known.removed:
            row = joined([known.row, row])
            if row == known.row:
                return AddOutcome(known.item, created=False)
        there = self._store.items.with_content(picture.content_hash)

        def write(models: Sequence[TrainedModel]) -> Item:
            embeddings = {model.model_id: self._encoding.item(model, picture, row.title) for model in models}
            first = models[0].model_id
            entry = NewItem(
                key=row.key,
                title=row.title,
                picture=picture,
                embedding=embeddings.pop(first),
                source=ADDED,
                origin=row.origin,
                captions=row.captions,
                attributes=row.attributes,
            )
            item, _ = self._store.items.add(
                entry,
                model_id=first,
                other_embeddings=embeddings,
                text_embeddings=self._new_text_embeddings(models, texts_of(row.title, row.captions)),
                title_models=[model.model_id for model in models if reads_titles(model)],
            )
            return item

        item = self._with_models(write)
        if item.item_id in there:
            self._embed_again(item)
        return AddOutcome(item, created=item.item_id not in there)

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
            said = self._new_text_embeddings(models, [*texts_of(name, ()), *texts_of(name, former.captions)])
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
