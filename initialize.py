"""Assemble the app: catalogue, model, index, in this order, with progress."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path

from app_logic import Limits, LostFoundApp
from config import Settings, read_settings
from crossmodal.backbones.resnet import Weights, find_weights
from crossmodal.demo.catalogue import COLUMNS, write_demo_catalogue
from crossmodal.errors import BusyError, CheckpointError, CheckpointMissing, CrossmodalError, SourceError, WeightsError
from crossmodal.images.decode import DecodeLimits
from crossmodal.images.decoder import Decoder
from crossmodal.images.fetch import Fetcher, FetchLimits
from crossmodal.ingest.sources.base import Source, SourceLimits
from crossmodal.ingest.sources.open import open_source
from crossmodal.items import Failure, Pixels
from crossmodal.locks import wait_for_lock
from crossmodal.progress import OnProgress, Progress, ignore_progress
from crossmodal.store import Store
from datasets import LostFoundDataset, SimpleIndexDataset
from engine.info import DEMO
from engine.live import LiveApp
from engine.models.build import built_in_model
from engine.models.loading import load_model
from engine.models.spec import ModelSpec
from engine.models.trained import TrainedModel
from engine.retraining import DatasetSplit, TrainingSettings, fit_model
from engine.tasks import TaskSettings
from training.data import TrainingData, read_training_data

log = logging.getLogger(__name__)

_REPORT_EVERY = 32


def build_system(
    settings: Settings, progress: OnProgress = ignore_progress, *, fill: bool = True, at_once: bool = False
) -> LiveApp:
    """Build the whole app, ready to search. Does not import Streamlit.

    Check or create the catalogue → build the encoders → load `trained_model.pth`, or train → load the index, or build it. Valid parts are
    reused; missing or damaged ones are recreated, which the progress reports. The user's own catalogue is indexed in the background, so
    that searching is possible at once.

    Args:
        fill: also call `fill_index`. Short commands leave that to a long-running app.
        at_once: answer as soon as possible: where there is no model yet, the built-in one serves, and with `fill` the demo is indexed and
            its model trained in the background. Without it, the demo's model is trained before this returns.

    Raises:
        CrossmodalError: the collection cannot be opened, the disk is full, ...
    """
    told = _logged(progress)
    weights = cache(
        lambda: find_weights(settings.image_weights, download=settings.download_weights, timeout_s=settings.download_timeout_s)
    )
    with ExitStack() as opened:  # closes everything if a later step fails, also by a signal
        # An unwritable folder fails at once, not after a minute of training.
        store = opened.enter_context(Store(settings.store_path))
        if fill or not at_once:
            _ensure_catalogue(settings, told)
        decoder = opened.enter_context(Decoder(decode_limits(settings), workers=settings.decode_workers))
        model = _load_or_train(settings, decoder, weights, told, built_in=at_once)
        app = opened.enter_context(closing(_assembled(settings, model, store, decoder, weights)))
        if fill:
            fill_index(app, settings, told, at_once=at_once)
        opened.pop_all()
    return app


def _assembled(settings: Settings, model: TrainedModel, store: Store, decoder: Decoder, weights: Callable[[], Weights]) -> LiveApp:
    engine = LostFoundApp(
        model,
        store,
        fetcher=_fetcher(settings),
        decoder=decoder,
        index_path=settings.index_path,
        index_kind=settings.index_kind,
        model_path=settings.model_path,
        limits=Limits(settings.max_query_chars, settings.max_top_k, settings.max_image_bytes),
    )
    tasks = TaskSettings(
        open_source=lambda location: open_named(location, settings),
        training=_training(settings),
        max_pictures=settings.max_training_pictures,
        weights_dir=settings.weights_dir,
        built_in=lambda: _built_in(settings),
        fit_demo=lambda size, told, stop: _fit_demo(settings, decoder, weights, size, told, stop),
    )
    return LiveApp(engine, tasks)


def initialize_system(progress: OnProgress = ignore_progress, settings: Settings | None = None) -> LiveApp:
    """`build_system`, once for all sessions of a Streamlit server.

    Args:
        settings: those of this installation when None.
    """
    import streamlit as st

    @st.cache_resource(show_spinner=False)
    def cached(_progress: OnProgress) -> LiveApp:  # the underscore keeps the callback out of the cache's key
        return build_system(settings or read_settings(), _progress, at_once=True)

    return cached(progress)


def _ensure_catalogue(settings: Settings, told: OnProgress) -> Path:
    path = settings.demo_csv_path
    try:
        kind = "demo pictures" if is_demo(path) else "your own"
    except FileNotFoundError:
        write_demo_catalogue(settings.dataset_dir, seed=settings.demo_seed, items=settings.demo_items, on_progress=told)
        told(Progress("catalogue", f"Catalogue: {settings.demo_items:,} demo pictures drawn", finished=True))
    else:
        told(Progress("catalogue", f"Catalogue: {path.name}, {kind}", finished=True))
    return path


def is_demo(path: Path) -> bool:
    """Whether a CSV is the demo catalogue: it has exactly its columns."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline(4096).strip() == ",".join(COLUMNS)


def _load_or_train(
    settings: Settings, decoder: Decoder, weights: Callable[[], Weights], told: OnProgress, *, built_in: bool
) -> TrainedModel:
    """Load the model. If it is missing or rejected, one process makes a new one; the others wait and load that."""
    if (model := _loaded(settings.model_path, told)) is not None:
        return model
    lock = settings.model_path.with_name(f".{settings.model_path.name}.lock")

    def wait() -> None:
        told(Progress("model", "Another process is preparing the model: waiting for it"))

    with wait_for_lock(lock, wait):
        if (model := _loaded(settings.model_path, told, set_aside=True)) is not None:
            return model
        if built_in and (model := _built_in(settings)) is not None:
            told(Progress("model", "Model: everyday words, built in", finished=True))
            return model.save(settings.model_path)
        return _trained(settings, decoder, weights, told)


def _built_in(settings: Settings) -> TrainedModel | None:
    """The built-in model; None if it is not wanted, not installed or damaged."""
    if settings.first_model != "everyday":
        return None
    try:
        return built_in_model()
    except WeightsError as error:
        log.warning("the built-in model cannot be used: %s", error.sentence)
        return None


def _loaded(path: Path, told: OnProgress, *, set_aside: bool = False) -> TrainedModel | None:
    """Load the model file; None if there is no usable model. `set_aside` then renames a rejected file.

    Raises:
        StoreError, BusyError: it temporarily cannot be read. It may be valid, so it stays in place.
    """
    try:
        model = load_model(path)
    except CheckpointMissing:
        return None
    except CheckpointError as error:
        if set_aside:
            _set_aside(path, error, told)
        return None
    except MemoryError as error:
        what = f"There is too little memory to load the model {path.name}."
        raise BusyError("busy", what, remedy="It was left unchanged: close other programs and start again.") from error
    told(Progress("model", f"Model: loaded, {model.card.weights}", finished=True))
    return model


def _trained(settings: Settings, decoder: Decoder, weights: Callable[[], Weights], told: OnProgress) -> TrainedModel:
    model, _ = _fit_demo(settings, decoder, weights, None, told)
    model.save(settings.model_path)
    told(Progress("model", f"Model: trained here in {model.card.training_seconds:.0f} s from {weights().name}", finished=True))
    return model


def _fit_demo(
    settings: Settings,
    decoder: Decoder,
    weights: Callable[[], Weights],
    side_px: int | None,
    told: OnProgress,
    stop: threading.Event | None = None,
) -> tuple[TrainedModel, LostFoundDataset]:
    """A model trained on the demo catalogue, and its held-out pictures; `side_px` asks for them in another size than the model's."""
    path = settings.demo_csv_path
    if not path.exists():
        _ensure_catalogue(settings, told)
    if not is_demo(path):  # the user's own catalogue is indexed with the demo's model, which is available
        path = write_demo_catalogue(
            settings.data_dir / "demo", seed=settings.demo_seed, items=settings.demo_items, on_progress=told
        )
    found = weights()
    told(Progress("model", f"Training on this computer from {found.name}. {found.note}"))
    size = settings.pretrained_image_px if found.state is not None else settings.image_px
    spec = ModelSpec(settings.embed_dim, settings.vocab_size, settings.max_text_tokens, size)
    source = open_named(str(path), settings)
    data = _demo_data(source, settings, decoder, size, told)
    model = fit_model(data, spec, _training(settings), weights=found, on_progress=told, stop=stop)
    if side_px is not None and side_px != size:
        data = _demo_data(source, settings, decoder, side_px, told)
    return model, data.held_out


def _set_aside(path: Path, error: CheckpointError, told: OnProgress) -> None:
    """Rename a rejected model file instead of deleting it, since it may be the only copy."""
    aside = path.with_suffix(f".refused-{int(time.time())}")
    try:
        path.rename(aside)
    except FileNotFoundError:  # another process was faster
        return
    log.warning("model rejected and kept as %s: %s", aside.name, error)
    told(Progress("model", f"{error} It was kept as {aside.name}; a new model is trained."))


def _demo_data(source: Source, settings: Settings, decoder: Decoder, size: int, told: OnProgress) -> DatasetSplit:
    dataset = SimpleIndexDataset(source, fetch=_no_address, max_image_bytes=settings.max_image_bytes)
    rows = [row for row in dataset if not isinstance(row, Failure)]

    def triples() -> Iterator[tuple[Pixels, tuple[str, ...], str]]:
        for done, row in enumerate(rows, start=1):
            picture = decoder.decode(dataset.load(row), square_px=size)
            if done % _REPORT_EVERY == 0:
                told(Progress("model", "Reading the demo pictures", done=done, total=len(rows)))
            yield picture.pixels, row.captions or (row.title,), picture.content_hash

    everything = LostFoundDataset.collect(triples())
    sides = [row.held_out for row in rows]
    return DatasetSplit(
        train=everything.subset([i for i, held in enumerate(sides) if not held]),
        held_out=everything.subset([i for i, held in enumerate(sides) if held]),
        source=DEMO,
    )


def fill_index(app: LiveApp, settings: Settings, told: OnProgress = ignore_progress, *, at_once: bool = False) -> None:
    """Purge removed items, compute missing embeddings, and index this installation's catalogue.

    Args:
        at_once: index the demo in the background, too, and train its model there.
    """
    if app.store.read_only:
        told(Progress("index", f"Index: {app.count():,} pictures; the collection is read-only", finished=True))
        return
    location = settings.catalogue or str(settings.demo_csv_path)
    if not settings.catalogue and not settings.demo_csv_path.exists():
        _ensure_catalogue(settings, told)
    app.tasks.forget_removed()
    model = app.generation().model
    app.tasks.embed_missing(model, told)
    app.generations.set_initial()
    try:
        source = app.tasks.open(location)
        wanted = source.name == DEMO and app.tasks.wants_demo()
        if wanted and at_once and app.tasks.wants_demo_model():
            app.start_demo(location)
        elif wanted and not app.tasks.is_complete(source):
            app.tasks.index(location, told)
        elif source.name != DEMO and not app.tasks.is_complete(source):
            app.start_indexing(location, then_resume=True)
    except (SourceError, BusyError) as error:  # the existing collection remains searchable
        log.warning("%s", error.sentence)
        told(Progress("index", error.sentence))
    app.resume_switch()  # does nothing while the job above runs, which resumes it itself
    told(Progress("index", f"Index: {app.count():,} pictures", done=app.count(), total=app.count(), finished=True))


def open_named(location: str, settings: Settings) -> Source:
    """Open the source at a path given by the user, within this installation's limits. Raises SourceError."""
    limits = SourceLimits(max_rows=settings.max_catalogue_rows, max_image_bytes=settings.max_image_bytes)
    return open_source(location, limits=limits, name=DEMO if _names_demo(location) else None)


def read_captioned(
    settings: Settings,
    location: str | None,
    *,
    spec: ModelSpec,
    max_pictures: int,
    on_progress: OnProgress,
    stop: threading.Event | None,
) -> tuple[TrainingData, list[Failure], str]:
    """Pictures with captions of the source at a path, or of this installation's own, for a training or an evaluation.

    Returns:
        The data, the rows that cannot be used, and the name of the source.

    Raises:
        SourceError, TrainingError, Stopped: see `read_training_data`.
    """
    source = open_named(location or settings.catalogue or str(settings.demo_csv_path), settings)
    dataset = SimpleIndexDataset(source, fetch=_fetcher(settings).fetch, max_image_bytes=settings.max_image_bytes)
    with Decoder(decode_limits(settings), workers=settings.decode_workers) as decoder:
        data, failures = read_training_data(
            dataset,
            decoder,
            settings.cache_dir,
            size=spec.image_size_px,
            fit=spec.fit,
            max_pictures=max_pictures,
            on_progress=on_progress,
            stop=stop,
        )
    return data, failures, source.label


def _fetcher(settings: Settings) -> Fetcher:
    limits = FetchLimits(timeout_s=settings.fetch_timeout_s, max_bytes=settings.max_image_bytes)
    return Fetcher(limits, allow=settings.fetch_allow)


def _names_demo(location: str) -> bool:
    try:
        path = Path(location).expanduser()
        return path.is_file() and is_demo(path)
    except (OSError, RuntimeError, ValueError):  # opening it reports the problem
        return False


def _training(settings: Settings) -> TrainingSettings:
    return TrainingSettings(
        max_epochs=settings.max_epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        patience=settings.patience,
        seed=settings.seed,
        device=settings.device,
    )


def decode_limits(settings: Settings) -> DecodeLimits:
    """The decoding limits of this installation."""
    return DecodeLimits(
        max_bytes=settings.max_image_bytes,
        max_pixels=settings.max_image_pixels,
        rendition_px=settings.rendition_px,
        thumbnail_px=settings.thumbnail_px,
        timeout_s=settings.decode_timeout_s,
    )


def _no_address(url: str) -> bytes:
    raise CrossmodalError("url_scheme", f"The demo catalogue names files, not addresses like {url:.40}.")


def _logged(progress: OnProgress) -> OnProgress:
    """Wrap `progress` to also log the end of every step."""

    def told(moment: Progress) -> None:
        if moment.finished:
            log.info("%s", moment.message)
        progress(moment)

    return told
