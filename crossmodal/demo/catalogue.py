"""Writes the demo catalogue: first the pictures, then, atomically, the CSV that lists them."""

import csv
import io
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from crossmodal.atomic import write_whole
from crossmodal.demo.drawing import draw_picture
from crossmodal.demo.vocabulary import Combination, combination_at, is_held_out, position_of_item, title_for
from crossmodal.errors import SourceError
from crossmodal.progress import OnProgress, Progress, ignore_progress

CSV_NAME = "amazon_products.csv"
IMAGES_DIR = "images"
COLUMNS = ("title", "imgUrl", "category", "colour", "pattern", "price", "held_out")
JPEG_QUALITY = 88
REPORT_EVERY = 20


@dataclass(frozen=True, slots=True)
class DemoItem:
    """One row of the demo catalogue; `location` is relative to its CSV."""

    index: int
    title: str
    location: str
    combination: Combination
    price: str
    held_out: bool


def demo_item(index: int, *, seed: int) -> DemoItem:
    """The row with this index (from 0); depends only on index and seed, not on the size of the catalogue."""
    position = position_of_item(index)
    combination = combination_at(position)
    rng = Random(f"words {seed} {index}")
    low, high = combination.kind.price
    return DemoItem(
        index=index,
        title=title_for(combination, rng),
        location=f"{IMAGES_DIR}/{index + 1:05d}.jpg",
        combination=combination,
        price=f"{rng.randint(low, high)}.{rng.choice(('00', '49', '90', '95', '99'))}",
        held_out=is_held_out(position),
    )


def draw_jpeg(item: DemoItem, *, seed: int) -> bytes:
    """The item's picture as a JPEG file; the same for the same seed."""
    out = io.BytesIO()
    draw_picture(item.combination, Random(f"picture {seed} {item.index}")).save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def write_demo_catalogue(folder: Path, *, seed: int, items: int, on_progress: OnProgress = ignore_progress) -> Path:
    """Draw the demo catalogue into a folder and return the path of its CSV.

    The CSV is written last and atomically, so interrupted work leaves none and the next call draws again. An existing CSV may be the
    user's own: it is left unchanged, nothing is drawn, and its path is returned.

    Args:
        folder: created if missing; receives `amazon_products.csv` and `images/`.
        seed: the same seed gives the same files.
        items: number of pictures, at least 1. With COMBINATION_COUNT or more, every combination has a picture; fewer are an even sample.
        on_progress: called regularly; an exception it raises ends the work and propagates.

    Raises:
        SourceError: `bad_request`: `items` is less than 1.
        StoreError: `disk_full` or `read_only`: the folder cannot be written.
    """
    if items < 1:
        raise SourceError("bad_request", f"A demo catalogue cannot have {items} items.", remedy="Request at least 1.")
    path = folder / CSV_NAME
    if path.exists():
        return path
    rows = [demo_item(index, seed=seed) for index in range(items)]
    _write_pictures(folder, rows, seed=seed, on_progress=on_progress)
    write_whole(path, _as_csv(rows), durable=True)
    on_progress(Progress("catalogue", f"{items} demo pictures drawn.", done=items, total=items, finished=True))
    return path


def _write_pictures(folder: Path, rows: list[DemoItem], *, seed: int, on_progress: OnProgress) -> None:
    started = time.monotonic()
    for done, item in enumerate(rows):
        if done % REPORT_EVERY == 0:
            rate = done / max(time.monotonic() - started, 1e-6)
            left = (len(rows) - done) / rate if rate else None
            message = "Drawing demo pictures."
            on_progress(Progress("catalogue", message, done=done, total=len(rows), rate_per_s=rate, seconds_left=left))
        write_whole(folder / item.location, draw_jpeg(item, seed=seed))


def _as_csv(rows: list[DemoItem]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        shown = row.combination
        held_out = "yes" if row.held_out else "no"
        writer.writerow([row.title, row.location, shown.kind.name, shown.colour.name, shown.pattern.name, row.price, held_out])
    return out.getvalue().encode("utf-8")
