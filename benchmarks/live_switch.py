"""Switch the model of a collection during constant searching and adding, and kill the switching process half way.

    python -m benchmarks.live_switch

Two processes share a collection. Both search and add continuously in several threads; the first one switches the model. Half way it is
killed with SIGKILL and restarted, and resumes by itself; the second one keeps running and follows the switch. Every result is recorded
with its scores, and every addition once it was acknowledged. At the end:

- failed: searches or additions that raised an error;
- lost: acknowledged items that are not in the collection, or that the new model does not find;
- mixed: results whose scores do not all come from one model.
"""

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from crossmodal.errors import CrossmodalError, SourceError
from crossmodal.images.decode import DecodeLimits, decode_picture
from crossmodal.ingest.sources.base import Source
from crossmodal.items import Fit, NewItem, Picture, texts_of
from crossmodal.progress import ignore_progress
from crossmodal.store import Store
from engine.core import SearchEngine
from engine.encoding import encoded_texts
from engine.live import LiveApp
from engine.models.loading import load_model
from engine.models.spec import ModelCard, ModelSpec
from engine.models.trained import TrainedModel, build_untrained
from engine.retraining import TrainingSettings
from engine.tasks import TaskSettings
from engine.validation import Limits

OLD = ModelSpec(embed_dim=64, vocab_size=1024, max_text_tokens=8, image_size_px=32)
NEW = replace(OLD, embed_dim=48, image_size_px=48)
COLOURS = ("red", "green", "blue", "yellow", "black")
THINGS = ("disc", "bar", "frame", "cross")
_PROJECT = Path(__file__).resolve().parents[1]
_LIMITS = Limits(max_query_chars=200, max_top_k=100, max_image_bytes=1_000_000)
_TOLERANCE = 1e-4
_LONGEST_S = 300.0
_PAUSE_S = 0.02


@dataclass
class Report:
    """Results."""

    searches: int = 0
    by_new_model: int = 0
    added: int = 0
    kills: int = 0
    seconds: float = 0.0
    embedded_at_kill: int = 0
    failed: list[str] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing failed, was lost or mixed, and the new model became active."""
        return not self.failed and not self.lost and not self.mixed and self.by_new_model > 0

    @property
    def table(self) -> str:
        """The results, one per line."""
        rows = {
            "searches": self.searches,
            "results of the new model": self.by_new_model,
            "items added meanwhile": self.added,
            "kills": self.kills,
            "items embedded at the kill": self.embedded_at_kill,
            "seconds of switching": f"{self.seconds:.1f}",
            "searches or additions failed": len(self.failed),
            "items lost": len(self.lost),
            "mixed answers": len(self.mixed),
        }
        return "\n".join([*(f"{name:<36}{value:>10}" for name, value in rows.items()), *self.failed[:5], *self.mixed[:5]])


class InProcess:
    """A decoder without a child process."""

    def decode(self, data: bytes, *, square_px: int, fit: Fit = "crop") -> Picture:
        """Decode bytes to a picture."""
        return decode_picture(data, limits=DecodeLimits(), square_px=square_px, fit=fit)

    def close(self) -> None:
        """Do nothing; there is no child process."""


class NoNetwork:
    """A fetcher that refuses every URL."""

    def fetch(self, url: str) -> bytes:
        """Raises SourceError."""
        raise SourceError("file_missing", f"{url:.80} is not fetched here.")


def drawing(number: int) -> bytes:
    """A PNG of a coloured shape on a grey ground; different for each number."""
    random = np.random.default_rng(number)
    pixels = np.full((64, 64, 3), random.integers(150, 255), np.uint8)
    down, right = random.integers(8, 32, 2)
    height, width = random.integers(8, 28, 2)
    pixels[down : down + height, right : right + width] = random.integers(0, 255, 3)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def title(number: int) -> str:
    """A title for a drawing."""
    return f"{COLOURS[number % len(COLOURS)]} {THINGS[number // len(COLOURS) % len(THINGS)]} {number}"


def opened(folder: Path) -> LiveApp:
    """The app for the collection in a folder, as in a process of the product."""

    def nothing(location: str) -> Source:
        raise SourceError("file_missing", f"{location:.80} is not read here.")

    training = TrainingSettings(max_epochs=1, batch_size=2, learning_rate=1e-3, patience=1, seed=0)
    engine = SearchEngine(
        load_model(folder / "model.pth"),
        Store(folder / "catalog.sqlite3"),
        fetcher=NoNetwork(),  # type: ignore[arg-type]
        decoder=InProcess(),  # type: ignore[arg-type]
        index_path=folder / "image_features.pt",
        model_path=folder / "model.pth",
        limits=_LIMITS,
    )
    app = LiveApp(engine, TaskSettings(open_source=nothing, training=training, max_pictures=100))
    model = app.generation().model
    app.tasks.embed_missing(model, ignore_progress)
    app.generations.set_initial()
    return app


def prepare(folder: Path, items: int) -> None:
    """Create two models, and a collection embedded with the first."""
    card = ModelCard("random weights", "", "made up", 1, 0.0, 0.0, None, ())
    TrainedModel(build_untrained(NEW, seed=2), NEW, card, model_id="").save(folder / "next.pth")
    model = TrainedModel(build_untrained(OLD, seed=1), OLD, card, model_id="").save(folder / "model.pth")
    with Store(folder / "catalog.sqlite3") as store:
        for start in range(0, items, 64):
            numbers = range(start, min(start + 64, items))
            pictures = [InProcess().decode(drawing(n), square_px=OLD.image_size_px) for n in numbers]
            rows = model.encode_items(np.stack([picture.pixels for picture in pictures]), [title(n) for n in numbers])
            entries = [
                NewItem(f"made up {n}", title(n), picture, row) for n, picture, row in zip(numbers, pictures, rows, strict=True)
            ]
            embeddings = encoded_texts(model, [text for entry in entries for text in texts_of(entry.title, entry.captions)])
            store.items.add_many(entries, model_id=model.model_id, text_embeddings={model.model_id: embeddings})


def live(folder: Path, name: str, first: int, *, pause_s: float, switches: bool) -> None:
    """Main function of a process: search and add until the file `end` exists, and switch the model if this is the first process."""
    app = opened(folder)
    journal = os.open(folder / f"{name}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ends = threading.Event()

    def note(entry: dict[str, object]) -> None:
        os.write(journal, json.dumps(entry).encode() + b"\n")

    def repeat(work: Callable[[int], dict[str, object]], number: int, step: int) -> None:
        while not ends.is_set():
            try:
                note(work(number))
            except CrossmodalError as error:
                note({"failed": f"{error.code}: {error}"})
            number += step
            ends.wait(pause_s)

    def search(number: int) -> dict[str, object]:
        query = f"{COLOURS[number % 5]} {THINGS[number // 5 % 4]}"
        results = app.search_by_text(query, 10)
        return {"query": query, "results": [(result.item.item_id, result.score) for result in results]}

    def add(number: int) -> dict[str, object]:
        return {"added": app.add_new_item(drawing(number), title(number)).item.item_id}

    # Numbers of different processes, and of a process before and after its restart, never overlap.
    jobs = [(search, 0, 3), (search, 1, 3), (add, first, 2), (add, first + 1, 2)]
    threads = [threading.Thread(target=repeat, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    note({"alive": os.getpid()})
    if switches and app.resume_switch() is None and app.switching.unfinished() is None and len(app.models()) == 1:
        app.start_switch(folder / "next.pth")
    while not (folder / "end").exists():
        time.sleep(_PAUSE_S)
    ends.set()
    for thread in threads:
        thread.join()
    status = app.jobs.current()
    if status is not None and status.state != "done":
        note({"failed": f"the switch ended as {status.state}: {status.message}"})
    app.close()


def run(folder: Path, *, items: int, pause_s: float = _PAUSE_S, after_s: float = 1.0) -> Report:
    """Run the whole scenario in a folder.

    Args:
        pause_s: between two searches, or two additions, of a thread.
        after_s: how long both processes continue after the switch.
    """
    prepare(folder, items)
    report = Report()
    new_id = load_model(folder / "next.pth").model_id
    with Store(folder / "catalog.sqlite3") as store:
        processes = [_start(folder, "first", items, pause_s), _start(folder, "second", items + 10**6, pause_s)]
        began = time.monotonic()
        try:
            _wait(processes, lambda: store.models.counts().get(new_id, 0) >= items * 0.4)
            processes[0].send_signal(signal.SIGKILL)
            processes[0].wait()
            report.kills, report.embedded_at_kill = 1, store.models.counts().get(new_id, 0)
            if store.models.active() == new_id:
                report.failed.append("the switch was over before the kill")
            processes[0] = _start(folder, "first", items + 2 * 10**6, pause_s)
            _wait(processes, lambda: store.models.active() == new_id)
            report.seconds = time.monotonic() - began
            time.sleep(after_s)
            (folder / "end").touch()
            for process in processes:
                if process.wait(_LONGEST_S):
                    report.failed.append(f"a process ended with {process.returncode}")
        finally:
            for process in processes:
                process.kill()
                process.wait()
    _compare(folder, report)
    return report


def _start(folder: Path, name: str, first: int, pause_s: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.live_switch", "--live", str(folder), "--name", name]
    return subprocess.Popen([*command, "--first-number", str(first), "--pause-s", str(pause_s)], cwd=_PROJECT)


def _wait(processes: list[subprocess.Popen[bytes]], done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LONGEST_S
    while not done():
        if time.monotonic() > deadline or any(process.poll() is not None for process in processes):
            raise RuntimeError("a process ended by itself, or the switch does not end")
        time.sleep(0.005)


def _compare(folder: Path, report: Report) -> None:
    """Compare what the processes recorded with the collection."""
    new = load_model(folder / "next.pth")
    old = load_model(next(path for path in (folder / "models").glob("*.pth") if path.stem != new.model_id))
    with Store(folder / "catalog.sqlite3") as store:
        rows = {model.model_id: _rows(store, model) for model in (old, new)}
        queries = [f"{colour} {thing}" for colour in COLOURS for thing in THINGS]
        asked = {model.model_id: dict(zip(queries, model.encode_texts(queries), strict=True)) for model in (old, new)}
        for path in sorted(folder.glob("*.jsonl")):
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"}\n"):  # a line cut short by the kill is not an acknowledgement
                    _judge(json.loads(line), rows, asked, new.model_id, report)
        if len(rows[new.model_id]) != store.items.count():
            report.lost.append(store.items.count() - len(rows[new.model_id]))
    app = opened(folder)
    if app.generation().model.model_id != new.model_id or app.count() != len(rows[new.model_id]):
        report.failed.append("the new model is not in use, or its index is not whole")
    app.close()


def _judge(
    entry: dict[str, object],
    rows: dict[str, dict[int, np.ndarray]],
    asked: dict[str, dict[str, np.ndarray]],
    new_id: str,
    report: Report,
) -> None:
    match entry:
        case {"failed": str(why)}:
            report.failed.append(why)
        case {"added": int(item_id)}:
            report.added += 1
            if item_id not in rows[new_id]:
                report.lost.append(item_id)
        case {"query": str(query), "results": list(results)}:
            report.searches += 1
            by = [
                model_id
                for model_id, known in rows.items()
                if all(i in known and abs(float(known[i] @ asked[model_id][query]) - score) < _TOLERANCE for i, score in results)
            ]
            report.by_new_model += by == [new_id]
            if len(by) != 1 or len(results) != 10:
                report.mixed.append(f"{query}: {results[:3]} is of {len(by)} models")


def _rows(store: Store, model: TrainedModel) -> dict[int, np.ndarray]:
    changes = store.changes.since(model.model_id)
    return dict(zip(changes.item_ids.tolist(), changes.embeddings, strict=True))


def main() -> int:
    """Run the benchmark; exits with 1 if anything failed, was lost or mixed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=2_000)
    parser.add_argument("--live", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--name", default="first", help=argparse.SUPPRESS)
    parser.add_argument("--first-number", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--pause-s", type=float, default=_PAUSE_S, help="between two searches, or two additions, of a thread")
    options = parser.parse_args()
    if options.live:
        live(options.live, options.name, options.first_number, pause_s=options.pause_s, switches=options.name == "first")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        report = run(Path(folder), items=options.items, pause_s=options.pause_s)
    print(report.table)
    return 0 if report.sound else 1


if __name__ == "__main__":
    sys.exit(main())
