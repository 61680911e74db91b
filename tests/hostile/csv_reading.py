"""Run as a process of its own: index every CSV of the hostile corpus with the real tools, and say in JSON how each ended.

    python -m tests.hostile.csv_reading MAKE_CORPUS.PY FOLDER

The memory a CSV costs is the highest the process reached since the CSV before it.
"""

import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from crossmodal.errors import CrossmodalError
from crossmodal.images.decode import DecodeLimits
from crossmodal.images.decoder import Decoder
from crossmodal.images.fetch import Fetcher
from crossmodal.ingest.picture_loader import PictureLoader
from crossmodal.ingest.pipeline import ingest
from crossmodal.ingest.sources.base import SourceLimits
from crossmodal.ingest.sources.open import open_source
from crossmodal.items import Embedding, Failure, Pixels
from crossmodal.store import Store
from tests.crossmodal.images.web import serve

PICTURE_PATH = "/corpus/picture/base_jpeg.jpg"
# Every row of this one is fetched from one address: it is read to its end, but its 200,000 pictures are not.
ONLY_READ = frozenset({"csv/rows_200k"})


def mean_colours(pixels: Pixels) -> Embedding:
    vectors = pixels.astype(np.float32).mean((1, 2)) + 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def index(path: Path, store_path: Path, decoder: Decoder, fetcher: Fetcher, *, only_read: bool) -> dict[str, Any]:
    """What became of one CSV: counts, titles, failures; or its one error."""
    limits = SourceLimits()
    try:
        source = open_source(path, limits=limits)
        if only_read:
            entries = list(source.rows())
            failed = sum(isinstance(entry, Failure) for entry in entries)
            return {
                "rows": len(entries) - failed,
                "failed": failed,
                "duplicates": source.duplicates,
                "titles": [],
                "failures": [],
            }
        with Store(store_path) as store:
            report = ingest(
                source,
                load=PictureLoader(source.folder, fetch=fetcher.fetch, max_image_bytes=limits.max_image_bytes),
                decoder=decoder,
                encode=mean_colours,
                store=store,
                model_id="colours",
                square_px=16,
            )
            failures = [(failure.code, failure.reason, failure.remedy) for failure in store.failures.all()]
            titles = sorted(item.title for item in store.items.page(10_000))
            items = store.items.count()
    except CrossmodalError as error:
        return {"error": error.code, "http": error.http_status, "message": error.message, "remedy": error.remedy}
    assert items == report.indexed
    assert len(failures) == report.failed
    return {"rows": items, "failed": report.failed, "duplicates": report.duplicates, "titles": titles, "failures": failures}


def memory_mb() -> float:
    """The highest since the last call."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def write_corpus(script: Path, folder: Path) -> tuple[list[dict[str, Any]], bytes]:
    """The manifest's entries of the CSVs, written below `folder`, and the picture that their addresses lead to."""
    spec = importlib.util.spec_from_file_location("make_corpus", script)
    assert spec is not None
    assert spec.loader is not None
    corpus: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(corpus)
    corpus.OUT = folder
    corpus.csvs(small=False)
    return corpus.M, corpus.enc(corpus.pat(), "JPEG")


def main(script: Path, folder: Path) -> None:
    entries, picture = write_corpus(script, folder)
    with Decoder(DecodeLimits(), workers=1) as decoder, serve({PICTURE_PATH: lambda handler: handler.send(picture)}) as web:
        memory_mb()
        for number, entry in enumerate(entries):
            began = time.monotonic()
            outcome = index(
                folder / entry["path"],
                folder / "stores" / f"{number}.sqlite3",
                decoder,
                web.fetcher(),
                only_read=entry["id"] in ONLY_READ,
            )
            outcome |= {"seconds": time.monotonic() - began, "rss_mb": memory_mb()}
            sys.stdout.write(json.dumps({"entry": entry, "outcome": outcome}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
