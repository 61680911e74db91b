"""The models of the fake collection: one in use, one kept, and figures made up for pages to show."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from crossmodal.errors import CheckpointError, QueryError
from crossmodal.hub.published import PUBLISHED
from crossmodal.jobs import JobManager, JobStatus
from crossmodal.progress import OnProgress
from engine.models.published import PublishedState


@dataclass(frozen=True)
class FakeGeneration:
    model_id: str
    name: str
    items_embedded: int
    active: bool
    path: Path | None


@dataclass(frozen=True)
class FakeFigure:
    value: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True)
class FakeDirection:
    queries: int
    gallery: int
    recall: dict[int, FakeFigure]
    median_rank: FakeFigure = FakeFigure(2.0, 1.0, 3.5, 15.5)
    mean_reciprocal_rank: FakeFigure = FakeFigure(0.71, 0.62, 0.8, 0.0094)


RECALL = {
    1: FakeFigure(0.601, 0.4, 0.8, 0.0333),
    5: FakeFigure(0.9, 0.75, 1.0, 0.1667),
    10: FakeFigure(1.0, math.nan, math.nan, 0.0002),
}


@dataclass(frozen=True)
class FakeResult:
    warnings: tuple[str, ...] = ()
    text_to_image: FakeDirection = FakeDirection(30, 30, RECALL)
    image_to_text: FakeDirection = FakeDirection(29, 30, RECALL)


@dataclass(frozen=True)
class FakeOwnFigures:
    items: int = 30
    collection: int = 30
    picture_only: bool = False
    measured_at: float = 1_763_700_000.0
    result: FakeResult = FakeResult()


class FakeModels:
    """What the page Model may call."""

    jobs: JobManager
    _work: Callable[[OnProgress, Event], str]

    def keep_models(self) -> None:
        """Begin with one model in use and one kept."""
        self.figures = FakeOwnFigures()
        self.own: FakeOwnFigures | None = None
        self.switched_to: list[Path] = []
        self.published = [
            PublishedState(model, here=number == 1, arrived_bytes=512_000_000 * (number == 2), pictures_per_s=None, in_use=False)
            for number, model in enumerate(PUBLISHED)
        ]
        self.fetched: list[tuple[str, Path | None]] = []
        self.generations = [
            FakeGeneration("3f9a1c77d2e04b15", "ResNet18 + GRU", 30, True, Path("/data/trained_model.pth")),
            FakeGeneration("77aa12c0ffee4b15", "mobilenet-minilm", 12, False, Path("/data/models/77aa12c0ffee4b15.pth")),
        ]

    def models(self) -> list[FakeGeneration]:
        return list(self.generations)

    def start_switch(self, path: Path) -> JobStatus:
        if not path.name.endswith(".pth"):
            raise CheckpointError("checkpoint_invalid", f"There is no model at {path}.", remedy="Check the spelling.")
        if path == self.generations[0].path:
            raise QueryError("bad_request", f"The model in {path.name} is already active.", remedy="Give another file.")

        def change(note: OnProgress, stop: Event) -> str:
            self._work(note, stop)
            chosen = next(
                (one for one in self.generations if one.path == path), FakeGeneration("5e1f", path.parent.name, 0, False, path)
            )
            others = [replace(one, active=False) for one in self.generations if one is not chosen]
            self.generations = [replace(chosen, active=True, items_embedded=30), *others]
            self.own = None
            return f"{chosen.name} is in use now. The previous model is kept until you drop it."

        self.switched_to.append(path)
        return self.jobs.start("switch", "Switching the model", change)

    def published_models(self) -> list[PublishedState]:
        return list(self.published)

    def start_download(self, name: str, *, folder: Path | None = None) -> JobStatus:
        def fetch(note: OnProgress, stop: Event) -> str:
            self._work(note, stop)
            self.published = [
                replace(state, here=True, in_use=True, pictures_per_s=45.0, arrived_bytes=0)
                if state.model.repository == name
                else state
                for state in self.published
            ]
            return f"{name} is in use now."

        self.fetched.append((name, folder))
        return self.jobs.start("download", f"Downloading {name}", fetch)

    def discard_download(self, name: str) -> None:
        self.published = [replace(state, arrived_bytes=0) if state.model.repository == name else state for state in self.published]

    def drop_previous_models(self) -> list[str]:
        gone = [one.model_id for one in self.generations if not one.active]
        self.generations = [one for one in self.generations if one.active]
        return gone

    def start_measuring(self) -> JobStatus:
        def measure(note: OnProgress, stop: Event) -> str:
            self._work(note, stop)
            self.own = self.figures
            return "Measured on 30 pictures of this collection: see the page Model."

        return self.jobs.start("measure", "Measuring on this collection", measure)

    def collection_metrics(self) -> FakeOwnFigures | None:
        return self.own
