"""A small collection that computes: drawn pictures, words that are counted, colours that are compared. No model, no disk, no network."""

import hashlib
import io
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from threading import Event

import numpy as np
from PIL import Image, ImageDraw, UnidentifiedImageError

from crossmodal.errors import AddressError, CrossmodalError, FetchError, PictureError, QueryError
from crossmodal.items import AddOutcome, CaptionResult, Failure, Item, Picture, SearchResult, texts_of
from crossmodal.jobs import JobManager, JobStatus, JobStore
from crossmodal.progress import OnProgress, Progress, check_stop
from engine.query import Image as QueryImage
from engine.query import Query, SearchAnswer
from tests.ui.fake_models import FakeModels

COLOURS = {"red": (200, 55, 50), "blue": (50, 95, 190), "green": (60, 150, 85), "yellow": (225, 185, 60), "black": (45, 45, 50)}
THINGS = ("mug", "bottle", "hat", "box", "lamp", "plate")
Where = Mapping[str, str | Sequence[str]] | None
PATTERNS = ("plain", "striped", "dotted", "checked")


@dataclass(frozen=True)
class FakeFigures:
    queries: int = 103
    gallery: int = 103
    recall_at_1: float = 0.971
    recall_at_5: float = 1.0
    recall_at_10: float = 1.0
    median_rank: float = 1.0
    mean_reciprocal_rank: float = 0.985
    chance_at_1: float = 0.0097
    chance_at_5: float = 0.0485
    chance_at_10: float = 0.0971


@dataclass(frozen=True)
class FakeEpoch:
    epoch: int
    loss: float
    score: float
    recall_at_1: float
    seconds: float


@dataclass(frozen=True)
class FakeModelInfo:
    model_id: str = "3f9a1c77d2e04b15"
    name: str = "ResNet18 + GRU"
    weights: str = "random weights"
    weights_note: str = "ImageNet weights could not be downloaded; the model was trained from scratch."
    embed_dim: int = 256
    precision: str = "float32"
    trained_on: int = 617
    trained_at: float = 1_763_690_000.0
    training_seconds: float = 31.4
    held_out: FakeFigures | None = FakeFigures()
    history: tuple[FakeEpoch, ...] = tuple(FakeEpoch(n, 3.4 * 0.72**n + 0.2, 2.0, 1 - 0.9 * 0.6**n, 2.6 * n) for n in range(1, 13))


@dataclass(frozen=True)
class FakeSource:
    name: str
    location: str
    items: int
    failures: int
    complete: bool
    is_demo: bool


@dataclass(frozen=True)
class FakeInfo:
    items: int
    failures: int
    device: str
    data_dir: Path
    model: FakeModelInfo
    sources: tuple[FakeSource, ...]


@dataclass(frozen=True)
class FakeEstimate:
    pictures: int
    seconds: float
    worthwhile: bool
    reason: str


@cache
def draw(thing: str, colour: str, pattern: str, *, size: tuple[int, int] = (240, 240)) -> bytes:
    """A PNG of a simple thing: its outline, its colour, its pattern."""
    width, height = size
    image = Image.new("RGB", size, (244, 240, 232))
    canvas = ImageDraw.Draw(image)
    left, top, right, bottom = width * 0.22, height * 0.2, width * 0.78, height * 0.85
    shape = {"mug": canvas.rectangle, "box": canvas.rectangle, "bottle": canvas.rectangle}.get(thing, canvas.ellipse)
    if thing == "bottle":
        left, right = width * 0.36, width * 0.64
    shape((left, top, right, bottom), fill=COLOURS[colour])
    for step in range(4) if pattern != "plain" else ():
        y = top + (bottom - top) * (step + 0.5) / 4
        for column in range(3):
            x = left + (right - left) * (column + 1) / 4
            if pattern == "striped":
                canvas.line((left, y, right, y), fill=(250, 250, 250), width=6)
            elif pattern == "dotted":
                canvas.ellipse((x - 6, y - 6, x + 6, y + 6), fill=(250, 250, 250))
            elif (step + column) % 2:
                canvas.rectangle((x - 12, y - 12, x + 12, y + 12), fill=(250, 250, 250))
    return _encode(image, "PNG")


@lru_cache(256)
def look(data: bytes) -> Picture:
    """Decode as the product would, far less carefully."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            image = opened.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise PictureError("not_an_image", "That file is not a picture.", remedy="Choose a JPEG, PNG, WebP, GIF or BMP.") from error
    large, small = image.copy(), image.copy()
    large.thumbnail((512, 512))
    small.thumbnail((256, 256))
    pixels = np.asarray(image.resize((32, 32)), dtype=np.uint8)
    return Picture(hashlib.sha256(data).hexdigest(), *image.size, pixels, _encode(large, "JPEG"), _encode(small, "JPEG"))


class OwnJobs(JobStore):
    """The jobs of one process, which leave no file."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobStatus] = {}

    def acquire(self) -> ExitStack:
        return ExitStack()

    def write(self, status: JobStatus) -> None:
        self._jobs[status.job_id] = status

    def delete(self, job_id: str) -> None:
        del self._jobs[job_id]

    def jobs(self) -> list[JobStatus]:
        return list(self._jobs.values())[::-1]

    def next_request(self, job_id: str) -> None:
        return None


class FakeApp(FakeModels):
    """What the pages may call of `LostFoundApp`, on thirty drawn pictures."""

    max_top_k = 1_000
    max_query_chars = 1_000

    def __init__(self, things: Sequence[str] = THINGS, *, work: Callable[[OnProgress, Event], str] | None = None) -> None:
        self.jobs = JobManager(OwnJobs())
        self.resumed = Event()
        self.keep_models()
        self.model = FakeModelInfo()
        self.estimate = FakeEstimate(1_500, 240.0, True, "1,500 pictures with titles of their own.")
        self.web: dict[str, bytes] = {"http://pictures.test/red-mug.png": draw("mug", "red", "plain", size=(320, 240))}
        self.seconds_per_fetch = 0.0
        self.failed: list[Failure] = []
        self.asked: list[str] = []
        self._work = work or _count_to_ten
        self._items: dict[int, Item] = {}
        self._pictures: dict[int, Picture] = {}
        self._removed: dict[int, Item] = {}
        for number, thing in enumerate(things):
            for other, colour in enumerate(COLOURS):
                pattern = PATTERNS[(number + other) % 4]
                title = f"{colour.title()} {thing}, {pattern}"
                self.put(draw(thing, colour, pattern), title, attributes={"category": thing, "colour": colour, "price": "12.50"})

    def put(
        self, data: bytes, title: str, *, origin: str = "", attributes: Mapping[str, str] | None = None, source: str = "demo"
    ) -> Item:
        """Place an item straight into the collection."""
        picture = look(data)
        item_id = len(self._items) + len(self._removed) + 1
        item = Item(item_id, title, source, picture.content_hash, picture.width_px, picture.height_px, 1_763_690_000.0 + item_id)
        self._items[item_id] = replace(item, origin=origin or f"images/{item_id:04}.png", attributes=attributes or {})
        self._pictures[item_id] = picture
        return self._items[item_id]

    def search(self, query: Query) -> SearchAnswer:
        own = None if query.image is None else query.image
        if query.item_id is not None:
            self.item(query.item_id)
            own = self._pictures[query.item_id]
        if query.text is not None:
            self.asked.append(query.text)
            if not query.text.strip():
                raise QueryError("text_empty", "There is nothing to search for.", remedy="Type a word or two.")
            if len(query.text) > self.max_query_chars:
                raise QueryError("text_too_long", f"The text has {len(query.text):,} characters.", remedy="Use 1,000 at most.")

        def score(item: Item) -> float:
            said = 0.0 if query.text is None else _said(query.text, item.title)
            if own is None:
                return said - item.item_id / 1e4
            alike = _alike(own, self._pictures[item.item_id])
            return alike if query.text is None else (1 - query.weight) * said + query.weight * alike

        end = query.offset + query.top_k
        found = self._ranked(end + 1, score, where=query.where, min_score=query.min_score)
        hidden = [result.item for result in found if own is not None and result.item.content_hash == own.content_hash]
        others = [result for result in found if result.item not in hidden][:end]
        return SearchAnswer([replace(result, rank=rank) for rank, result in enumerate(others, start=1)][query.offset :], hidden)

    def captions_for_image(self, image: QueryImage, top_k: int = 10) -> list[CaptionResult]:
        picture = image if isinstance(image, Picture) else self.look_at(image)
        found = self._ranked(len(self._items) or 1, lambda item: _alike(picture, self._pictures[item.item_id]))
        said: dict[str, CaptionResult] = {}
        for result in found:
            for text in texts_of(result.item.title, result.item.captions):
                said.setdefault(text, CaptionResult(result.item, text, result.score, len(said) + 1))
        return list(said.values())[:top_k]

    def captions_for_item(self, item_id: int, top_k: int = 10, *, exclude_own: bool = False) -> list[CaptionResult]:
        item = self.item(item_id)
        own = texts_of(item.title, item.captions) if exclude_own else ()
        return [found for found in self.captions_for_image(self._pictures[item_id], top_k + len(own)) if found.caption not in own][
            :top_k
        ]

    def why_nothing(self, where: Mapping[str, str | Sequence[str]]) -> str:
        unknown = [name for name in where if name not in self.attribute_values()]
        return f'No item has an attribute "{unknown[0]}".' if unknown else ""

    def attribute_values(self, limit: int = 50) -> dict[str, list[tuple[str, int]]]:
        counts: dict[str, Counter[str]] = {}
        for item in self._items.values():
            for name, value in item.attributes.items():
                counts.setdefault(name, Counter())[value] += 1
        return {name: values.most_common(limit) for name, values in sorted(counts.items())}

    def items_page(self, limit: int, after_id: int = 0, *, where: Where = None) -> list[Item]:
        return [item for item in self.page(len(self._items), after_id) if _passes(item, where)][:limit]

    def look_at(self, image: bytes | Path | str) -> Picture:
        if isinstance(image, Path):
            return look(image.read_bytes())
        return look(self._fetch(image) if isinstance(image, str) else image)

    def add_new_item(
        self,
        image: bytes | Path | str,
        title: str | None = None,
        *,
        origin: str = "",
        captions: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> AddOutcome:
        return self.add_picture(self.look_at(image), title, origin=origin, captions=captions, attributes=attributes)

    def add_picture(
        self,
        picture: Picture,
        title: str | None = None,
        *,
        origin: str = "",
        captions: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> AddOutcome:
        for item in self._items.values():
            if item.content_hash == picture.content_hash:
                return AddOutcome(item, created=False)
        item_id = len(self._items) + len(self._removed) + 1
        item = Item(
            item_id, title or "", "added", picture.content_hash, picture.width_px, picture.height_px, time.time(), origin=origin
        )
        self._items[item_id] = replace(item, captions=tuple(captions), attributes=attributes or {})
        self._pictures[item_id] = picture
        return AddOutcome(self._items[item_id], created=True)

    def remove_item(self, item_id: int) -> Item:
        self._removed[item_id] = self.item(item_id)
        return self._items.pop(item_id)

    def restore_item(self, item_id: int) -> Item:
        self._items[item_id] = self._removed.pop(item_id)
        return self._items[item_id]

    def item(self, item_id: int) -> Item:
        if item_id not in self._items:
            raise QueryError("not_found", f"Item {item_id} is not in the collection.", remedy="It may have been removed.")
        return self._items[item_id]

    def thumbnail(self, item_id: int) -> bytes:
        return self._pictures[self.item(item_id).item_id].thumbnail

    def rendition(self, item_id: int) -> bytes:
        return self._pictures[self.item(item_id).item_id].rendition

    def page(self, limit: int, after_id: int = 0) -> list[Item]:
        return [self._items[key] for key in sorted(self._items) if key > after_id][:limit]

    def count(self, *, where: Where = None) -> int:
        return sum(_passes(item, where) for item in self._items.values())

    def example_queries(self, n: int = 4) -> list[str]:
        return [
            re.sub(r"[^\w ]", "", item.title).lower() for item in list(self._items.values())[:: max(1, len(self._items) // n)][:n]
        ]

    def nearest_words(self, query: str, n: int = 3) -> list[str]:
        known = {word for item in self._items.values() for word in _words(item.title)}
        unknown = [word for word in _words(query) if word not in known]
        return sorted(known, key=lambda word: -len(set(word) & set("".join(unknown))))[:n] if unknown else []

    def failures(self) -> list[Failure]:
        return list(self.failed)

    def info(self) -> FakeInfo:
        own = (FakeSource("demo", "dataset/amazon_products.csv", len(self._items), len(self.failed), not self.failed, True),)
        return FakeInfo(len(self._items), len(self.failed), "CPU, 2 threads", Path("/home/ada/visual-search/data"), self.model, own)

    def start_indexing(self, location: str, *, then_resume: bool = False) -> JobStatus:
        self.asked.append(location)
        return self.jobs.start("index", f"Indexing {location}", self._work)

    def start_training(self) -> JobStatus:
        return self.jobs.start("train", "Training on the titles of the collection", self._work)

    def start_rebuild(self) -> JobStatus:
        return self.jobs.start("rebuild", "Rebuilding the index and training again", self._work)

    def start_retry(self) -> JobStatus:
        return self.jobs.start("retry", "Trying the failed rows again", self._work)

    def stop_job(self, job_id: str | None = None) -> None:
        self.jobs.stop(job_id)

    def pause_job(self, job_id: str | None = None) -> None:
        self.jobs.pause(job_id)

    def resume_job(self, job_id: str | None = None) -> None:
        self.resumed.set()
        self.jobs.resume(job_id)

    def training_estimate(self) -> FakeEstimate:
        return self.estimate

    def remove_source(self, name: str) -> int:
        gone = [key for key, item in self._items.items() if item.source == name]
        for key in gone:
            self._items.pop(key)
        return len(gone)

    def _fetch(self, address: str) -> bytes:
        time.sleep(self.seconds_per_fetch)
        if not address.startswith(("http://", "https://")):
            raise AddressError(
                "url_scheme",
                f"The address {address[:80]} does not start with http or https.",
                remedy="Paste the picture's own address.",
            )
        if address not in self.web:
            raise FetchError(
                "http_status", f"{address[:80]} answered 404 (not found).", remedy="Check it, or save the picture and upload it."
            )
        return self.web[address]

    def _ranked(
        self, top_k: int, score: Callable[[Item], float], *, where: Where = None, min_score: float | None = None
    ) -> list[SearchResult]:
        if not 1 <= top_k <= self.max_top_k + 1:
            raise QueryError("bad_request", f"{top_k} results cannot be asked for.", remedy=f"Ask for 1 to {self.max_top_k}.")
        scored = ((score(item), item) for item in self._items.values() if _passes(item, where))
        there = [pair for pair in scored if min_score is None or pair[0] >= min_score]
        ordered = sorted(there, key=lambda pair: (-pair[0], pair[1].item_id))[:top_k]
        return [SearchResult(item, value, rank) for rank, (value, item) in enumerate(ordered, start=1)]


def build_fake(note: OnProgress, *, app: FakeApp | None = None, error: CrossmodalError | None = None) -> FakeApp:
    """What `build_system` does, at once: every step reported, then the app, or the error."""
    note(Progress("catalogue", "Catalogue: 30 demo pictures drawn", done=30, total=30, finished=True))
    if error is not None:
        raise error
    note(Progress("model", "Model: random weights, trained here in 31 s", finished=True))
    note(Progress("index", "Index: 30 of 30", done=30, total=30, finished=True))
    return app or FakeApp()


def _count_to_ten(note: OnProgress, stop: Event) -> str:
    for done in range(1, 11):
        check_stop(stop, "The job")
        note(Progress("index", f"Indexing, {done} of 10", done=done, total=10, rate_per_s=40.0, seconds_left=(10 - done) / 40))
        stop.wait(0.02)
    return "Indexed 10 of 10."


def slow_work(note: OnProgress, stop: Event, resumed: Event) -> str:
    """A job of half a minute, to look at; once it was paused and goes on, it is soon done."""
    for done in range(1, 61):
        check_stop(stop, "Indexing")
        note(
            Progress(
                "index",
                f"Indexing {done * 12} of 720",
                done=done * 12,
                total=720,
                failed=done // 20,
                rate_per_s=24.0,
                seconds_left=(60 - done) / 2,
            )
        )
        stop.wait(0.02 if resumed.is_set() else 0.5)
    return "Indexed 717 of 720; 3 failed."


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _said(query: str, title: str) -> float:
    wanted = set(_words(query))
    return len(wanted & set(_words(title))) / max(1, len(wanted))


def _passes(item: Item, where: Where) -> bool:
    return all(
        item.attributes.get(name) in ([values] if isinstance(values, str) else values) for name, values in (where or {}).items()
    )


def _alike(one: Picture, other: Picture) -> float:
    a, b = (picture.pixels.astype(np.float64).ravel() - 128.0 for picture in (one, other))
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-9))


def _encode(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()
