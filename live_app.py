"""The app together with its long work: what every door holds."""

from pathlib import Path

from app_info import ADDED, SystemInfo, TrainingEstimate, catalogue_infos, device_text, model_info
from app_logic import Limits, LostFoundApp
from crossmodal.catalog import Catalog
from crossmodal.errors import QueryError
from crossmodal.images.decoder import Decoder
from crossmodal.images.fetch import Fetcher
from crossmodal.items import Failure, Item
from crossmodal.jobs import JobBoard, JobStatus
from crossmodal.text.vocabulary import Vocabulary
from trained_model import TrainedModel
from upkeep import Upkeep, UpkeepParts

_VOCABULARY_ITEMS = 20_000
_EXAMPLES_FROM = 400
_EXAMPLE_WORDS = 6
_LONGEST_EXAMPLE = 40


class LiveApp(LostFoundApp):
    """A `LostFoundApp` that keeps itself up: long work runs in the background, one job at a time, while searching goes on.

    Attributes:
        jobs: the running and the last job.
        upkeep: the work itself, for a caller that waits for it.
    """

    def __init__(
        self,
        model: TrainedModel,
        catalog: Catalog,
        *,
        fetcher: Fetcher,
        decoder: Decoder,
        index_path: Path,
        model_path: Path,
        limits: Limits,
        upkeep: UpkeepParts,
    ) -> None:
        super().__init__(
            model, catalog, fetcher=fetcher, decoder=decoder, index_path=index_path, model_path=model_path, limits=limits
        )
        self.jobs = JobBoard()
        self.upkeep = Upkeep(self, upkeep)
        self._vocabulary: tuple[int, Vocabulary] | None = None

    # Long work

    def start_indexing(self, location: str) -> JobStatus:
        """Index a CSV or folder in the background.

        Raises:
            CatalogueError: nothing usable is there. BusyError: another job is running.
        """
        self.upkeep.open(location)  # a wrong path is said at once, not by a job that failed
        return self.jobs.start("index", "Indexing your catalogue", lambda note, stop: self.upkeep.index(location, note, stop))

    def start_training(self) -> JobStatus:
        """Train on the collection's titles in the background; the new model takes over only when it is better. Raises BusyError."""
        return self.jobs.start("train", "Training on this collection's titles", self.upkeep.train)

    def start_rebuild(self) -> JobStatus:
        """Read every catalogue again, then train, in the background. Raises BusyError."""
        return self.jobs.start("rebuild", "Rebuilding the index and training again", self.upkeep.rebuild)

    def start_retry(self) -> JobStatus:
        """Try the failed rows again in the background. Raises BusyError."""
        return self.jobs.start("retry", "Trying the failed rows again", self.upkeep.retry)

    def stop_job(self) -> None:
        """Ask the running job to stop."""
        self.jobs.stop()

    def training_estimate(self) -> TrainingEstimate:
        """Whether training on the collection's titles makes sense, and for how long."""
        return self.upkeep.estimate()

    def remove_catalogue(self, name: str) -> int:
        """Take a catalogue and its items out of the collection; returns how many items.

        Raises:
            QueryError: `not_found`. `bad_request` for what was added by hand, which belongs to no catalogue.
        """
        if name == ADDED or name not in {entry.name for entry in self.catalog.catalogues()}:
            raise QueryError("not_found", f"There is no catalogue named {name!r:.80}.", remedy="Look at the list of catalogues.")
        return len(self.catalog.remove_catalogue(name))

    # What a page shows

    def info(self) -> SystemInfo:
        """The whole system at a glance."""
        return SystemInfo(
            items=self.count(),
            failures=len(self.catalog.failures()),
            device=device_text(),
            data_dir=self.catalog.path.parent,
            model=model_info(self.generation().model),
            catalogues=catalogue_infos(self.catalog),
        )

    def page(self, limit: int, after_id: int = 0) -> list[Item]:
        """Up to `limit` items after an id, oldest first."""
        return self.catalog.page(limit, after_id)

    def failures(self) -> list[Failure]:
        """Rows that are not in the collection, each with its reason."""
        return self.catalog.failures()

    def example_queries(self, n: int = 4) -> list[str]:
        """Short titles spread over the collection, to try; fewer or none where titles are long or missing."""
        titles = dict.fromkeys(item.title for item in self.catalog.page(_EXAMPLES_FROM, 0) if _is_example(item.title))
        short = list(titles)
        return [short[i * len(short) // n] for i in range(min(n, len(short)))]

    def unknown_words(self, query: str) -> list[str]:
        """The query's words that no title of the collection uses; none while the collection has no titles."""
        vocabulary = self._words()
        return vocabulary.unknown(query) if len(vocabulary) else []

    def nearest_words(self, query: str, n: int = 3) -> list[str]:
        """Words of the collection close in spelling to the query's unknown ones, best first."""
        return self._words().near(query, n)

    def _words(self) -> Vocabulary:
        version = self.catalog.version()
        if self._vocabulary is None or self._vocabulary[0] != version:
            items = self.catalog.page(_VOCABULARY_ITEMS, newest_first=True)
            self._vocabulary = (version, Vocabulary(text for item in items for text in (item.title, *item.captions)))
        return self._vocabulary[1]


def _is_example(title: str) -> bool:
    return 2 <= len(title.split()) <= _EXAMPLE_WORDS and len(title) <= _LONGEST_EXAMPLE
