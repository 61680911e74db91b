"""A start that is killed while the demo is drawn, while the model is trained and while the index is built; and the start after it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config import Settings
from engine.models.loading import load_model
from initialize import build_system

PROJECT = Path(__file__).resolve().parents[2]
ITEMS = 120

STARTER = """
import sys
from pathlib import Path
from initialize import build_system
from tests.reliability.test_kill_start import small
app = build_system(small(Path(sys.argv[1])), lambda moment: print(moment.step, moment.done, moment.finished, flush=True))
print("ready", flush=True)
sys.stdin.readline()
"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")]


def small(folder: Path) -> Settings:
    return Settings(
        data_dir=folder / "data",
        dataset_dir=folder / "dataset",
        model_path=folder / "trained_model.pth",
        download_weights=False,
        demo_items=ITEMS,
        embed_dim=32,
        vocab_size=1024,
        image_px=32,
        max_epochs=2,
        decode_workers=1,
    )


def kill_at(folder: Path, step: str, *, after: int, delay_s: float) -> str:
    """Start the program and kill it with everything it started, `delay_s` after it told of the `after`-th moment of a step."""
    started = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(folder)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert started.stdout is not None
    seen, last = 0, ""
    with started:
        for line in started.stdout:
            last = line.strip()
            seen += last.startswith(f"{step} ")
            if seen > after or last == "ready":
                break
        time.sleep(delay_s)
        os.killpg(started.pid, signal.SIGKILL)
    assert started.returncode == -signal.SIGKILL
    return last


@pytest.mark.parametrize(
    ("step", "after", "delay_s"),
    [("catalogue", 0, 0.05), ("model", 3, 0.0), ("model", 8, 0.11), ("index", 0, 0.0), ("index", 1, 0.05)],
    ids=["drawing", "training", "training-later", "indexing", "indexing-later"],
)
def test_the_next_start_is_whole(tmp_path: Path, step: str, after: int, delay_s: float) -> None:
    last = kill_at(tmp_path, step, after=after, delay_s=delay_s)
    assert last.startswith(step), "the program was not killed where it should have been"
    app = build_system(small(tmp_path))
    try:
        assert app.count() == app.store.items.count() == ITEMS
        assert app.failures() == []
        model = app.generation().model
        assert load_model(tmp_path / "trained_model.pth").model_id == model.model_id
        assert len(app.search_by_text("red mug", 10)) == 10
        for item in app.page(ITEMS):
            again = model.encode_pixels(app.decoder.decode(app.rendition(item.item_id), square_px=32).pixels[None])[0]
            assert float(again @ app.store.embeddings.get(item.item_id, model.model_id)) > 0.95
    finally:
        app.close()
    assert not list(tmp_path.rglob("*.part"))
