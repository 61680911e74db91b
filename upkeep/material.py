"""What the collection offers for training: its pictures and titles, one part held out; and what training would take."""

import logging
import threading
from collections.abc import Callable, Iterator

from app_logic import LostFoundApp
from crossmodal.catalog import Catalog
from crossmodal.errors import PictureError, QueryError, StoreError, TrainingError
from crossmodal.items import Item, Picture, Pixels
from crossmodal.progress import OnProgress, Progress, check_stop
from datasets import LostFoundDataset, held_out_hashes
from engine.app_info import DEMO, TrainingEstimate, catalogue_infos
from engine.model_spec import DEFAULT_PRESET
from engine.trained_model import TrainedModel
from upkeep.learning import Material, left_out

log = logging.getLogger(__name__)

HELD_OUT_SHARE = 0.2
MIN_PICTURES = 50
_AT_ONCE = 64
_NAMED = 20  # damaged items that the log names


def gathered(app: LostFoundApp, max_pictures: int, on_progress: OnProgress, stop: threading.Event | None = None) -> Material:
    """The collection's pictures and titles, one part held out: by the catalogue's own mark where it has one, by hash elsewhere.

    A stored picture that is damaged is left out and counted: one of thousands is no reason not to learn from the others.

    Args:
        max_pictures: most pictures that are looked at; more are sampled by hash.

    Raises:
        TrainingError: fewer than 50 pictures with titles. Stopped: `stop` was set.
    """
    size = app.generation().model.spec.image_size_px
    marked: set[str] = set()
    drawn_by_hash: list[str] = []
    damaged: list[int] = []

    def triples() -> Iterator[tuple[Pixels, tuple[str, ...], str]]:
        for item, picture in _titled_pictures(app, size, max_pictures, damaged.append, on_progress, stop):
            if item.held_out:
                marked.add(item.content_hash)
            elif item.catalogue != DEMO:
                drawn_by_hash.append(item.content_hash)
            yield picture.pixels, item.captions or (item.title,), item.content_hash

    everything = LostFoundDataset.collect(triples())
    if damaged:
        log.warning("%s Their items: %s", left_out(len(damaged)), ", ".join(map(str, damaged[:_NAMED])))
        on_progress(Progress("model", left_out(len(damaged))))
    if len(everything) < MIN_PICTURES:
        raise TrainingError(
            "training_failed",
            f"There are {len(everything)} pictures with titles; training needs {MIN_PICTURES}. {left_out(len(damaged))}".strip(),
            remedy="Add more pictures with titles.",
        )
    held_out = marked | held_out_hashes(drawn_by_hash, HELD_OUT_SHARE, salt="held out")
    sides = [content in held_out for content in everything.content_hashes]
    return Material(
        train=everything.subset([i for i, held in enumerate(sides) if not held]),
        held_out=everything.subset([i for i, held in enumerate(sides) if held]),
        catalogue=", ".join(entry.name for entry in catalogue_infos(app.catalog)),
        damaged=len(damaged),
    )


def estimated(app: LostFoundApp, max_pictures: int) -> TrainingEstimate:
    """Whether training on the collection's titles makes sense, and for how long; from the speed of the last training here."""
    card = app.generation().model.card
    pictures = min(app.catalog.count(), max_pictures)
    seconds = card.training_seconds * pictures / max(card.trained_on, 1)
    own = pictures - app.catalog.count(catalogue=DEMO)
    if pictures < MIN_PICTURES:
        reason = f"Training needs at least {MIN_PICTURES} pictures with titles."
        return TrainingEstimate(pictures, seconds, worthwhile=False, reason=reason)
    if own <= 0:
        reason = "The model was trained on this demo catalogue already."
        return TrainingEstimate(pictures, seconds, worthwhile=False, reason=reason)
    if (elsewhere := trained_elsewhere(app.generation().model)) is not None:
        return TrainingEstimate(pictures, seconds, worthwhile=False, reason=elsewhere)
    reason = f"{own:,} pictures here are not from the demo catalogue."
    return TrainingEstimate(pictures, seconds, worthwhile=True, reason=reason)


def trained_elsewhere(model: TrainedModel) -> str | None:
    """Why a model is not trained in the background of the page; None where it is."""
    if model.spec.preset == DEFAULT_PRESET:
        return None
    return f"The model in use is {model.spec.preset}; it is trained on the command line: python cli.py train --preset {model.spec.preset}"


def _titled_pictures(
    app: LostFoundApp,
    size: int,
    max_pictures: int,
    on_damaged: Callable[[int], None],
    on_progress: OnProgress,
    stop: threading.Event | None,
) -> Iterator[tuple[Item, Picture]]:
    """Items with words, each with its stored picture decoded once; a sample by hash when there are too many.

    Args:
        on_damaged: called with the number of an item whose stored picture is not what was written, or is no picture.
    """
    total = app.catalog.count()
    share = min(1.0, max_pictures / max(total, 1))
    for done, item in enumerate(_items(app.catalog), start=1):
        check_stop(stop, "Training")
        if done % _AT_ONCE == 0:
            on_progress(Progress("model", "Reading the collection's pictures", done=done, total=total))
        if not (item.title or item.captions) or int(item.content_hash[:8], 16) >= share * 16**8:
            continue
        try:
            picture = app.decoder.decode(app.catalog.rendition(item.item_id), square_px=size)
        except QueryError:  # removed since its page was read
            continue
        except PictureError:
            on_damaged(item.item_id)
        except StoreError as error:
            if error.code != "index_corrupt":
                raise
            on_damaged(item.item_id)
        else:
            yield item, picture


def _items(catalog: Catalog) -> Iterator[Item]:
    """Every item by its id, page by page; `Catalog.samples` would end at the first damaged picture."""
    after_id: int | None = None
    while page := catalog.page(_AT_ONCE, after_id):
        yield from page
        after_id = page[-1].item_id
