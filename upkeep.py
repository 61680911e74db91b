"""Long work on a live collection: index a catalogue, train on its titles, put the new model into use. Searching goes on meanwhile."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app_info import DEMO, TrainingEstimate, catalogue_infos
from app_logic import LostFoundApp
from crossmodal.backbones.resnet import PRETRAINED, Weights
from crossmodal.errors import TrainingError
from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.ingest.catalogue import Catalogue
from crossmodal.ingest.planning import LookAgain
from crossmodal.items import Item, Picture, Pixels
from crossmodal.progress import OnProgress, Progress, check_stop
from datasets import LostFoundDataset, SimpleIndexDataset, held_out_hashes
from learning import Material, TrainingSettings, learn, measure
from trained_model import TrainedModel

HELD_OUT_SHARE = 0.2
MIN_PICTURES = 50
_EMBED_BATCH = 64


@dataclass(frozen=True, slots=True)
class UpkeepParts:
    """What long work needs besides the app.

    Attributes:
        open_catalogue: a path a person named to a catalogue.
        training: how this installation trains.
        max_pictures: most pictures one training looks at; more are sampled by hash.
    """

    open_catalogue: Callable[[str], Catalogue]
    training: TrainingSettings
    max_pictures: int


class Upkeep:
    """What may take minutes, done on the collection of one app."""

    def __init__(self, app: LostFoundApp, parts: UpkeepParts) -> None:
        self._app = app
        self._parts = parts

    def open(self, location: str) -> Catalogue:
        """The catalogue at a path. Raises CatalogueError when nothing usable is there."""
        return self._parts.open_catalogue(location)

    def index(
        self, location: str, on_progress: OnProgress, stop: threading.Event | None = None, *, look_again: LookAgain = "files"
    ) -> str:
        """Bring the catalogue at a path into the collection. The demo catalogue leaves as soon as a person's own has come.

        Raises:
            CatalogueError, StoreError, Stopped: see `crossmodal.ingest.pipeline.ingest`.
        """
        catalogue = self.open(location)
        dataset = SimpleIndexDataset(catalogue, fetch=self._app.fetcher.fetch, max_image_bytes=self._app.limits.max_image_bytes)
        report = self._app._build_index_from_dataset(dataset, look_again=look_again, on_progress=on_progress, stop=stop)
        if catalogue.name != DEMO and report.indexed + report.unchanged:
            self._remove_demo()
        return f"{report.indexed:,} pictures indexed, {report.unchanged:,} were there already, {report.failed:,} failed."

    def has_own_catalogue(self) -> bool:
        """Whether a person's own catalogue is in the collection: then the demo has made room for it."""
        return any(entry.name != DEMO and entry.items for entry in self._app.catalog.catalogues())

    def is_complete(self, catalogue: Catalogue) -> bool:
        """Whether a catalogue was read to its end and its file has not changed since; a folder is never known to be unchanged."""
        read_at = {entry.name: entry.completed_at for entry in self._app.catalog.catalogues()}.get(catalogue.name)
        path = Path(catalogue.location)
        return read_at is not None and path.is_file() and path.stat().st_mtime < read_at

    def forget_removed(self) -> int:
        """Delete for good what was removed; done at the start, when nobody can want an undo any more."""
        return self._app.catalog.purge_removed()

    def retry(self, on_progress: OnProgress, stop: threading.Event | None = None) -> str:
        """Try every failed row again, and only those."""
        before = len(self._app.catalog.failures())
        for entry in self._app.catalog.catalogues():
            if entry.failures:
                self.index(entry.location, on_progress, stop, look_again="failures")
        left = len(self._app.catalog.failures())
        return f"{before - left:,} of {before:,} failed rows are in the collection now."

    def train(self, on_progress: OnProgress, stop: threading.Event | None = None) -> str:
        """Train on the collection's own titles; the new model takes over only when it is better on held-out titles.

        Raises:
            TrainingError, Stopped: the model in use stays in use.
        """
        material = self.material(on_progress, stop)
        current = self._app.generation().model
        before = measure(current.system, material.held_out)
        candidate = learn(
            material, current.spec, self._parts.training, weights=_start_of(current), on_progress=on_progress, stop=stop
        )
        after = candidate.card.held_out
        if after is not None and before is not None and not _better(after, before):
            return f"The present model stays: it finds {_share(before)} held-out titles among the first ten, the new one {_share(after)}."
        self.put_into_use(candidate, on_progress, stop)
        if after is None or before is None:
            return "The new model is in use. Nothing was held out, so it could not be measured."
        return f"The new model is in use: it finds {_share(after)} held-out titles among the first ten; before it was {_share(before)}."

    def rebuild(self, on_progress: OnProgress, stop: threading.Event | None = None) -> str:
        """Read every catalogue again, then train again."""
        for entry in self._app.catalog.catalogues():
            self.index(entry.location, on_progress, stop)
        return self.train(on_progress, stop)

    def put_into_use(self, model: TrainedModel, on_progress: OnProgress, stop: threading.Event | None = None) -> None:
        """Embed the whole collection with a model, then switch to it in one moment. A stop before that leaves everything as it was."""
        waiting = self._app.model_path.with_suffix(".next")
        model.save(waiting)
        self.embed_missing(model, on_progress, stop)
        former = self._app.generation().model.model_id
        waiting.replace(self._app.model_path)
        self._app.switch_to(model)
        self.embed_missing(model, on_progress)  # what was added while the first pass ran
        for other in self._app.catalog.models():
            if other not in (model.model_id, former):
                self._app.catalog.drop_model(other)

    def embed_missing(self, model: TrainedModel, on_progress: OnProgress, stop: threading.Event | None = None) -> int:
        """Give every item that lacks one an embedding of this model, from its stored picture; returns how many."""
        done, after_id, total = 0, 0, self._app.catalog.count()
        while items := self._app.catalog.without_embedding(model.model_id, _EMBED_BATCH, after_id=after_id):
            check_stop(stop, "Indexing")
            embeddings = model.encode_pixels(np.stack([self._decode_stored(item, model.spec.image_size_px) for item in items]))
            self._app.catalog.add_embeddings(model.model_id, zip(items, embeddings, strict=True))
            done, after_id = done + len(items), items[-1].item_id
            on_progress(Progress("index", "Looking at every picture with the new model", done=done, total=total))
        if done:
            on_progress(Progress("index", f"Index: {total:,} of {total:,}", done=total, total=total, finished=True))
        return done

    def material(self, on_progress: OnProgress, stop: threading.Event | None = None) -> Material:
        """The collection's pictures and titles, one part held out: by the catalogue's own mark where it has one, by hash elsewhere.

        Raises:
            TrainingError: fewer than 50 pictures with titles.
        """
        size = self._app.generation().model.spec.image_size_px
        marked: set[str] = set()
        drawn_by_hash: list[str] = []

        def triples() -> Iterator[tuple[Pixels, tuple[str, ...], str]]:
            for item, picture in self._titled_pictures(size, on_progress, stop):
                if item.held_out:
                    marked.add(item.content_hash)
                elif item.catalogue != DEMO:
                    drawn_by_hash.append(item.content_hash)
                yield picture.pixels, item.captions or (item.title,), item.content_hash

        everything = LostFoundDataset.collect(triples())
        if len(everything) < MIN_PICTURES:
            raise TrainingError(
                "training_failed",
                f"There are {len(everything)} pictures with titles; training needs {MIN_PICTURES}.",
                remedy="Add more pictures with titles.",
            )
        held_out = marked | held_out_hashes(drawn_by_hash, HELD_OUT_SHARE, salt="held out")
        sides = [content in held_out for content in everything.content_hashes]
        return Material(
            train=everything.subset([i for i, held in enumerate(sides) if not held]),
            held_out=everything.subset([i for i, held in enumerate(sides) if held]),
            catalogue=", ".join(entry.name for entry in catalogue_infos(self._app.catalog)),
        )

    def estimate(self) -> TrainingEstimate:
        """Whether training on the collection's titles makes sense, and for how long; from the speed of the last training here."""
        card = self._app.generation().model.card
        pictures = min(self._app.catalog.count(), self._parts.max_pictures)
        seconds = card.training_seconds * pictures / max(card.trained_on, 1)
        own = pictures - self._app.catalog.count(catalogue=DEMO)
        if pictures < MIN_PICTURES:
            return TrainingEstimate(
                pictures, seconds, worthwhile=False, reason=f"Training needs at least {MIN_PICTURES} pictures with titles."
            )
        if own <= 0:
            return TrainingEstimate(
                pictures, seconds, worthwhile=False, reason="The model was trained on this demo catalogue already."
            )
        return TrainingEstimate(
            pictures, seconds, worthwhile=True, reason=f"{own:,} pictures here are not from the demo catalogue."
        )

    def _titled_pictures(self, size: int, on_progress: OnProgress, stop: threading.Event | None) -> Iterator[tuple[Item, Picture]]:
        """Items with words, each with its stored picture decoded once; a sample by hash when there are too many."""
        total = self._app.catalog.count()
        share = min(1.0, self._parts.max_pictures / max(total, 1))
        for done, (item, rendition) in enumerate(self._app.catalog.samples(), start=1):
            check_stop(stop, "Training")
            if done % _EMBED_BATCH == 0:
                on_progress(Progress("model", "Reading the collection's pictures", done=done, total=total))
            if (item.title or item.captions) and int(item.content_hash[:8], 16) < share * 16**8:
                yield item, self._app.decoder.decode(rendition, square_px=size)

    def _decode_stored(self, item: Item, size: int) -> Pixels:
        return self._app.decoder.decode(self._app.rendition(item.item_id), square_px=size).pixels

    def _remove_demo(self) -> None:
        if any(entry.name == DEMO for entry in self._app.catalog.catalogues()):
            self._app.catalog.remove_catalogue(DEMO)


def _start_of(current: TrainedModel) -> Weights:
    """Where the present model's picture network started from: pretrained weights were left as they came, so they are still in it.

    A new model starts the same way, because the size of its pictures goes with it.
    """
    frozen = current.card.weights == PRETRAINED
    return Weights(
        current.card.weights, current.card.weights_note, current.system.image_encoder.resnet.state_dict() if frozen else None
    )


def _better(after: RetrievalFigures, before: RetrievalFigures) -> bool:
    """Recall@10 decides; where it is equal, the mean reciprocal rank."""
    return (after.recall_at_10, after.mean_reciprocal_rank) > (before.recall_at_10, before.mean_reciprocal_rank)


def _share(figures: RetrievalFigures) -> str:
    return f"{round(figures.recall_at_10 * figures.queries):,} of {figures.queries:,}"
