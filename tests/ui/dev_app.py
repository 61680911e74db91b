"""Look at the pages without a model: `FAKE=long streamlit run tests/ui/dev_app.py`, from the project's folder.

`FAKE` names what the collection is like: `plain`, `long` (titles of 300 characters), `empty`, `slow` (a start of 20 s), `slow-web`,
`broken` (a start that fails), `hostile` (titles read from the file that `FAKE_TITLES` names, a JSON list), `failed` (rows that failed),
`measured` (figures on the own collection, of a model that has collapsed).
"""

import json
import os
import runpy
import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "ui")]

import fake_app  # noqa: E402

from crossmodal.errors import SourceError  # noqa: E402
from crossmodal.items import Failure  # noqa: E402
from crossmodal.progress import OnProgress, Progress  # noqa: E402
from ui import startup  # noqa: E402

KIND = os.environ.get("FAKE", "plain")


def build(note: OnProgress) -> fake_app.FakeApp:
    if KIND == "broken":
        return fake_app.build_fake(
            note, error=SourceError("csv_missing_columns", "shop.csv has no column title.", remedy="Add one.")
        )
    if KIND == "slow":
        _slowly(note)
    app = fake_app.FakeApp(
        () if KIND == "empty" else fake_app.THINGS, work=lambda note, stop: fake_app.slow_work(note, stop, app.resumed)
    )
    if KIND == "slow-web":
        app.seconds_per_fetch = 4.0
    if KIND == "long":
        for shape in ((900, 80), (60, 700), (24, 24)):
            app.put(
                fake_app.draw("box", "red", "striped", size=shape),
                "A very long mug title that never seems to end " * 7,
                source="x/" * 60 + "y.png",
            )
        app.put(fake_app.draw("box", "blue", "dotted", size=(50, 60)), "Mug" + "x" * 297)
    if KIND == "hostile":
        for number, title in enumerate(json.loads(Path(os.environ["FAKE_TITLES"]).read_text(encoding="utf-8"))):
            picture = fake_app.draw("box", "green", "dotted", size=(60 + number, 60))
            app.put(picture, title, origin=title, attributes={title: title}, source=title)
    if KIND == "measured":
        collapsed = "The text embeddings have collapsed: effective rank 1.2 of 256, mean cosine 0.999."
        app.own = replace(app.figures, result=replace(app.figures.result, warnings=(collapsed,)))
    if KIND == "failed":
        app.failed = [
            Failure(
                "1",
                "shop",
                "https://pictures.test/a.jpg",
                "Red mug",
                "http_status",
                "That address answered 404 (not found).",
                "Check it.",
            ),
            Failure("2", "shop", "images/notes.txt", "Notes", "not_an_image", "images/notes.txt is not a picture.", "Replace it."),
        ]
    return fake_app.build_fake(note, app=app)


def _slowly(note: OnProgress) -> None:
    note(Progress("catalogue", "Catalogue: 720 demo pictures drawn", done=720, total=720, finished=True))
    for epoch in range(1, 11):
        figures = {"epoch": epoch, "loss": 3 * 0.7**epoch, "validation_recall_at_1": 1 - 0.9 * 0.6**epoch}
        note(
            Progress(
                "model",
                f"Model: training on this computer, epoch {epoch} of 10",
                done=epoch,
                total=10,
                seconds_left=2.0 * (10 - epoch),
                figures=figures,
            )
        )
        time.sleep(1.5)
    note(Progress("model", "Model: random weights, trained here in 15 s", finished=True))
    note(Progress("index", "Index: 320 of 720", done=320, total=720, rate_per_s=180.0, seconds_left=2.0))
    time.sleep(3)


startup.build = build
runpy.run_path(str(ROOT / "app.py"))
