"""Index whole sources with the active model, following model switches."""

import threading

from crossmodal.images.decoder import Decoder
from crossmodal.ingest.pipeline import ingest
from crossmodal.ingest.plan import LookAgain
from crossmodal.ingest.report import IngestReport
from crossmodal.progress import OnProgress
from crossmodal.store import ModelSwitched, Store
from datasets import SimpleIndexDataset
from engine.encoding import Encoding, encoded_texts, reads_titles
from engine.models.generations import Generations
from engine.models.reembed import embed_missing, embed_missing_texts
from engine.models.trained import TrainedModel

_TRIES = 3


class Filler:
    """Indexes sources into one collection.

    Args:
        generations: provides the active model; queried again if it is replaced while a source is indexed.
    """

    def __init__(self, store: Store, generations: Generations, encoding: Encoding, decoder: Decoder) -> None:
        self._store = store
        self._generations = generations
        self._encoding = encoding
        self._decoder = decoder

    def fill(
        self, dataset: SimpleIndexDataset, look_again: LookAgain, on_progress: OnProgress, stop: threading.Event | None
    ) -> IngestReport:
        """Index a source: each row ends indexed or listed as failed with a reason.

        Raises:
            SourceError, StoreError, BusyError, Stopped: see `crossmodal.ingest.pipeline.ingest`.
        """
        for _ in range(_TRIES):
            model = self._generations.current().model
            try:
                report = self._ingest(dataset, model, look_again, on_progress, stop)
                break
            except (
                ModelSwitched
            ) as error:  # rows indexed so far have embeddings of the previous model: compute those of the new one first
                switched = error
                embed_missing(self._generations.current().model, self._store, self._encoding, on_progress, stop)
        else:
            raise switched
        if reads_titles(model):
            embed_missing(model, self._store, self._encoding, on_progress, stop)
        else:  # an item that lost a source may have the words again that it had before that source came
            embed_missing_texts(model, self._store, stop=stop)
        self._generations.current().texts.refresh()
        self._generations.save()
        return report

    def _ingest(
        self,
        dataset: SimpleIndexDataset,
        model: TrainedModel,
        look_again: LookAgain,
        on_progress: OnProgress,
        stop: threading.Event | None,
    ) -> IngestReport:
        return ingest(
            dataset.source,
            load=dataset.load,
            decoder=self._decoder,
            encode=model.encode_pixels,
            encode_texts=lambda texts: encoded_texts(model, texts),
            encode_titled=model.encode_items if reads_titles(model) else None,
            store=self._store,
            model_id=model.model_id,
            square_px=model.spec.image_size_px,
            fit=model.spec.fit,
            look_again=look_again,
            on_progress=on_progress,
            stop=stop,
        )
