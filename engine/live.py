"""The app together with its background work, as used by the front ends."""

import logging
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from crossmodal.errors import QueryError
from crossmodal.filters import Filter, Where
from crossmodal.hub.download import discard
from crossmodal.images.decoder import Decoder
from crossmodal.items import Failure, Item
from crossmodal.jobs import UNDER_WAY, JobManager, JobStatus, JobStore
from crossmodal.jobs.manager import Work
from crossmodal.progress import OnProgress, ignore_progress
from crossmodal.store import Store
from engine.core import SearchEngine
from engine.encoding import Encoding
from engine.info import ADDED, ModelGeneration, SystemInfo, TrainingEstimate, device_text, model_info, model_name, source_infos
from engine.models.generations import Generations
from engine.models.published import PublishedState, repository_named
from engine.models.store import ModelFiles
from engine.models.switch import Switching
from engine.models.trained import TrainedModel
from engine.query import why_nothing
from engine.self_evaluation import CollectionMetrics, evaluate_on_collection
from engine.spelling import CollectionVocabulary
from engine.tasks import Tasks, TaskSettings
from engine.validation import Limits, top_k_of

log = logging.getLogger(__name__)

# Less than service managers wait before killing, including the time for open requests.
_STOPPING_S = 15.0
_EXAMPLES_FROM = 400
_DEMO_JOB = "demo"
_EXAMPLE_WORDS = 6
_LONGEST_EXAMPLE = 40


P = ParamSpec("P")
R = TypeVar("R")


def _of_engine(method: Callable[Concatenate[SearchEngine, P], R]) -> Callable[Concatenate["LiveApp", P], R]:
    """Return a method of `LiveApp` that calls the engine's, with the same signature and docstring."""

    @wraps(method)
    def forward(self: "LiveApp", /, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(self.engine, *args, **kwargs)

    return forward


class LiveApp:
    """A search engine with its background work, one job at a time, while searching goes on.

    Args:
        engine: closed with this app.
        tasks: settings of the background work.

    Attributes:
        jobs: the running and the last job.
        tasks: the work itself, for a caller that waits for it.
    """

    def __init__(self, engine: SearchEngine, tasks: TaskSettings) -> None:
        self.engine = engine
        self.jobs = JobManager(JobStore(self.store.path.with_name("jobs.sqlite3")))
        self.switching = Switching(engine, ModelFiles(self.store.path.parent / "models", engine.model_path))
        self.tasks = Tasks(engine, tasks, self.switching)
        self._vocabulary_of_collection = CollectionVocabulary(self.store)
        self._collection_metrics: CollectionMetrics | None = None

    # The engine's own parts

    @property
    def store(self) -> Store:
        """The collection."""
        return self.engine.store

    @property
    def decoder(self) -> Decoder:
        """Decodes untrusted bytes to pictures."""
        return self.engine.decoder

    @property
    def encoding(self) -> Encoding:
        """Encodes texts and pictures."""
        return self.engine.encoding

    @property
    def generations(self) -> Generations:
        """The active model with its index, and how they are replaced."""
        return self.engine.generations

    @property
    def model_path(self) -> Path:
        """The model file."""
        return self.engine.model_path

    @property
    def limits(self) -> Limits:
        """Bounds of queries and additions."""
        return self.engine.limits

    # The engine's own methods

    search = _of_engine(SearchEngine.search)
    search_many = _of_engine(SearchEngine.search_many)
    search_by_text = _of_engine(SearchEngine.search_by_text)
    search_by_texts = _of_engine(SearchEngine.search_by_texts)
    search_by_image = search_by_picture = _of_engine(SearchEngine.search_by_image)
    search_by_item = _of_engine(SearchEngine.search_by_item)
    search_by_both = search_by_query_and_picture = _of_engine(SearchEngine.search_by_both)
    captions_for_image = captions_for_picture = _of_engine(SearchEngine.captions_for_image)
    captions_for_item = _of_engine(SearchEngine.captions_for_item)
    look_at = _of_engine(SearchEngine.look_at)
    add_new_item = _of_engine(SearchEngine.add_new_item)
    add_picture = _of_engine(SearchEngine.add_picture)
    update_item = _of_engine(SearchEngine.update_item)
    remove_item = _of_engine(SearchEngine.remove_item)
    restore_item = _of_engine(SearchEngine.restore_item)
    item = _of_engine(SearchEngine.item)
    item_sources = _of_engine(SearchEngine.item_sources)
    thumbnail = _of_engine(SearchEngine.thumbnail)
    rendition = _of_engine(SearchEngine.rendition)
    count = _of_engine(SearchEngine.count)
    generation = _of_engine(SearchEngine.generation)
    switch_to = _of_engine(SearchEngine.switch_to)
    index_dataset = _build_index_from_dataset = _of_engine(SearchEngine.index_dataset)
    _find_similar = _of_engine(SearchEngine.find_similar)
    _load_index_from_disk = _of_engine(SearchEngine.load_index)
    _save_index_to_disk = _of_engine(SearchEngine.save_index)

    # Long work

    def start_indexing(self, location: str, *, then_resume: bool = False) -> JobStatus:
        """Index a source in the background.

        Args:
            then_resume: afterwards, in the same job, resume a model switch that a crash interrupted.

        Raises:
            SourceError: there is nothing usable at `location`. BusyError: another job is running.
        """
        self.tasks.open(location)  # a wrong path raises here instead of failing the job
        work = self._index_and_resume if then_resume else self.tasks.index
        return self.start_job("index", "Indexing your catalogue", lambda note, stop: work(location, note, stop))

    def start_demo(self, location: str) -> JobStatus:
        """Index the demo catalogue and train its model in the background. Any other work ends this job and takes its place."""

        def work(on_progress: OnProgress, stop: threading.Event) -> str:
            said = [self._index_and_resume(location, on_progress, stop), self.tasks.train_demo(on_progress, stop)]
            return " ".join(filter(None, said))

        return self.jobs.start(_DEMO_JOB, "Preparing the demo", work)

    def start_training(self) -> JobStatus:
        """Train on the collection's titles in the background; the new model takes over only if it is better. Raises BusyError."""
        return self.start_job("train", "Training on this collection's titles", self.tasks.train)

    def start_rebuild(self) -> JobStatus:
        """Re-index all catalogues, then train, in the background. Raises BusyError."""
        return self.start_job("rebuild", "Rebuilding the index and training again", self.tasks.rebuild)

    def start_retry(self) -> JobStatus:
        """Retry the failed rows in the background. Raises BusyError."""
        return self.start_job("retry", "Trying the failed rows again", self.tasks.retry)

    def start_switch(self, path: Path) -> JobStatus:
        """Switch to the model in a file in the background: embeds the collection with it, then activates it atomically.

        Searching and adding continue meanwhile. A stopped job resumes where it was when started again.

        Raises:
            CheckpointError: the file is not a usable model. QueryError: `bad_request`: it is already active. BusyError: another job is
                running.
        """
        return self._start_switch(self.switching.import_file(path))

    def start_download(self, name: str, *, folder: Path | None = None) -> JobStatus:
        """Download a published model in the background, embed the collection with it, and switch to it; searching continues meanwhile.

        A paused or stopped job keeps what has arrived; the next one goes on there.

        Args:
            name: its repository, or the last part of it.
            folder: a folder of this computer that holds its files; nothing is downloaded then.

        Raises:
            QueryError: `bad_request`: there is no model of this name. BusyError: another job is running.
        """
        repository = repository_named(name)
        return self.start_job(
            "download",
            f"Getting {repository} ready",
            lambda note, stop: self.tasks.use_published(repository, note, stop, folder=folder),
        )

    def published_models(self) -> list[PublishedState]:
        """The published models and how each stands on this computer."""
        return self.tasks.published()

    def discard_download(self, name: str) -> None:
        """Delete what has arrived of an unfinished download. Raises QueryError `bad_request`; BusyError: it is running."""
        discard(repository_named(name), self.tasks.weights_dir)

    def resume_switch(self) -> JobStatus | None:
        """Resume a model switch that a crash interrupted; None if there is none, or if any job is running, here or elsewhere."""
        model = None if self.jobs.running() else self.switching.unfinished()
        return None if model is None else self._start_switch(model)

    def start_job(self, name: str, message: str, work: Work) -> JobStatus:
        """Start a job in the background; the demo's preparation makes room for it and goes on at the next start. Raises BusyError."""
        current = self.jobs.current()
        if current is not None and current.name == _DEMO_JOB and current.state in UNDER_WAY:
            self.jobs.cancel_own()
            self.jobs.wait(_STOPPING_S)
        return self.jobs.start(name, message, work)

    def start_measuring(self) -> JobStatus:
        """Evaluate the active model on the collection's titles in the background; see `collection_metrics`. Raises BusyError."""
        return self.start_job("measure", "Measuring on this collection", self._measure)

    def collection_metrics(self) -> CollectionMetrics | None:
        """The last evaluation; None before the first, and after a model switch."""
        figures = self._collection_metrics
        return figures if figures is not None and figures.model_id == self.generation().model.model_id else None

    def models(self) -> list[ModelGeneration]:
        """All models with embeddings or a file here, the active one first."""
        return self.switching.models()

    def drop_previous_models(self) -> list[str]:
        """Delete all inactive models with their embeddings; returns their ids. Raises BusyError during a switch."""
        return self.switching.drop_previous()

    def stop_job(self, job_id: str | None = None) -> None:
        """Request the running job to stop. Raises QueryError `not_found` for an unknown id."""
        self.jobs.stop(job_id)

    def pause_job(self, job_id: str | None = None) -> None:
        """Pause the running job until `resume_job`. Raises QueryError `not_found` for an unknown id."""
        self.jobs.pause(job_id)

    def resume_job(self, job_id: str | None = None) -> None:
        """Resume a paused job. Raises QueryError `not_found` for an unknown id."""
        self.jobs.resume(job_id)

    def close(self) -> None:
        """Stop the running job and close everything. Idempotent.

        If the job does not stop within 15 s, the store is closed anyway. Committed work is kept.
        """
        try:
            self.switching.keep_pending()
            self.jobs.cancel_own()
            ended = self.jobs.wait(_STOPPING_S)
            if ended is not None and ended.state in UNDER_WAY:
                log.warning("A job did not stop within %g s: %s", _STOPPING_S, ended.message)
        finally:
            self.engine.close()

    def training_estimate(self) -> TrainingEstimate:
        """Whether training on the collection's titles is worthwhile, and its estimated duration."""
        return self.tasks.estimate()

    def remove_source(self, name: str) -> int:
        """Remove a catalogue, and the items that no other catalogue has; returns how many those are.

        Raises:
            QueryError: `not_found`; `bad_request` for items added by hand, which belong to no catalogue.
        """
        if name == ADDED or name not in {entry.name for entry in self.store.sources.all()}:
            raise QueryError("not_found", f"There is no catalogue named {name!r:.80}.", remedy="See the list of catalogues.")
        removed = self.store.sources.remove(name)
        self.tasks.embed_missing(self.generation().model, ignore_progress)  # items that stay have other words now
        return len(removed)

    # For display

    def info(self) -> SystemInfo:
        """Overview of the whole system."""
        return SystemInfo(
            items=self.count(),
            failures=len(self.store.failures.all()),
            device=device_text(),
            data_dir=self.store.path.parent,
            model=model_info(self.generation().model),
            sources=source_infos(self.store),
        )

    def page(self, limit: int, after_id: int = 0) -> list[Item]:
        """Up to `limit` items after an id, oldest first."""
        return self.store.items.page(limit, after_id)

    def items_page(self, limit: int, after_id: int = 0, *, where: Where | None = None) -> list[Item]:
        """Up to `limit` items that match a filter, oldest first, with ids above `after_id`; the last id is the cursor of the next page.

        Raises:
            QueryError: `bad_request`: an invalid limit, cursor or filter.
        """
        wanted, chosen = top_k_of(self.limits, limit), Filter.of(where)
        if isinstance(after_id, bool) or not isinstance(after_id, int) or after_id < 0:
            raise QueryError("bad_request", f"A page begins after the id of an item, not {after_id!r:.40}.", remedy="Begin with 0.")
        return self.store.items.matching_page(wanted, after_id, chosen)

    def why_nothing(self, where: Where) -> str:
        """A sentence about attributes or catalogues of a filter that the collection does not have; empty if it has all of them."""
        return why_nothing(self.store, where)

    def attribute_values(self, limit: int = 50) -> dict[str, list[tuple[str, int]]]:
        """Each attribute with its `limit` most frequent values and their counts, most frequent first."""
        return self.store.items.attribute_values(max(1, limit))

    def failures(self) -> list[Failure]:
        """Rows that could not be indexed, with reasons."""
        return self.store.failures.all()

    def example_queries(self, n: int = 4) -> list[str]:
        """Up to `n` short titles from across the collection as example queries."""
        titles = dict.fromkeys(item.title for item in self.store.items.page(_EXAMPLES_FROM, 0) if _is_example(item.title))
        short = list(titles)
        return [short[i * len(short) // n] for i in range(min(n, len(short)))]

    def unknown_words(self, query: str) -> list[str]:
        """The query's words that no title contains; empty while the collection has no titles."""
        vocabulary = self._vocabulary_of_collection.vocabulary()
        return vocabulary.unknown(query) if len(vocabulary) else []

    def nearest_words(self, query: str, n: int = 3) -> list[str]:
        """Up to `n` words of the collection spelt similarly to the query's unknown words, best first."""
        return self._vocabulary_of_collection.vocabulary().near(query, n)

    def _start_switch(self, model: TrainedModel) -> JobStatus:
        return self.start_job(
            "switch", f"Switching to {model_name(model)}", lambda note, stop: self.switching.run(model, note, stop)
        )

    def _index_and_resume(self, location: str, on_progress: OnProgress, stop: threading.Event) -> str:
        try:
            said = self.tasks.index(location, on_progress, stop)
        finally:
            # Also after a catalogue that could not be read completely, but not after a stop by the user.
            model = None if stop.is_set() else self.switching.unfinished()
            changed = "" if model is None else self.switching.run(model, on_progress, stop)
        return f"{said} {changed}".strip()

    def _measure(self, on_progress: OnProgress, stop: threading.Event) -> str:
        self._collection_metrics = figures = evaluate_on_collection(self.engine, on_progress, stop)
        return f"Measured on {figures.items:,} pictures of this collection: see the page Model."


def _is_example(title: str) -> bool:
    return 2 <= len(title.split()) <= _EXAMPLE_WORDS and len(title) <= _LONGEST_EXAMPLE
