"""Processes killed while they add, and while they save the index: nothing acknowledged is lost, nothing is wrong afterwards."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.kill_rounds import run_rounds
from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.indexes.synced import SyncedIndex
from crossmodal.store import Store
from crossmodal.store.items import Items

PROJECT = Path(__file__).resolve().parents[2]
ROUNDS = int(os.environ.get("TESTS_KILL_ROUNDS", "12"))

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")]


def test_nothing_acknowledged_is_lost_when_writers_are_killed(tmp_path: Path) -> None:
    report = run_rounds(tmp_path / "catalog.sqlite3", ROUNDS, seed=int(time.time()), full_check_every=5, acknowledged_first=2)
    assert report.lost == []
    assert report.wrong == []
    assert report.acknowledged > ROUNDS
    assert max(report.reopen_ms) < 10_000


def test_the_comparison_sees_what_is_lost_and_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rounds above prove something only if they would have noticed."""
    path = tmp_path / "catalog.sqlite3"
    real = Items.known
    spoilt = False

    def spoil(self: Items, *args: object, **kwargs: object) -> object:
        nonlocal spoilt
        if not spoilt:
            spoilt = True
            first, second = self.page(2)
            with self._database.writing() as db:
                db.execute("UPDATE items SET title = 'another' WHERE item_id = ?", (first.item_id,))
                db.execute("UPDATE item_sources SET key = 'gone' WHERE item_id = ?", (second.item_id,))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Items, "known", spoil)
    report = run_rounds(path, 1, writers=1, acknowledged_first=2)
    assert report.lost
    assert any("is not what was written" in sentence for sentence in report.wrong)


SAVER = """
import os, sys
from pathlib import Path
from benchmarks.made_up import MODEL_ID
from crossmodal.store import Store
from crossmodal.indexes.synced import SyncedIndex
folder = Path(sys.argv[1])
with Store(folder / "catalog.sqlite3") as store:
    os.write(1, b"begin\\n")
    while True:
        index = SyncedIndex(store, MODEL_ID, embed_dim=64, path=folder / "image_features.pt")
        index._saved_tag = None
        index.save()
        index.rebuild()
"""


def test_a_kill_while_the_index_is_built_or_saved_leaves_a_sound_start(tmp_path: Path) -> None:
    entries = [made_up_item(number) for number in range(400)]
    with Store(tmp_path / "catalog.sqlite3") as store:
        items = store.items.add_many(entries, model_id=MODEL_ID)
    for delay_s in (0.01, 0.06):
        with subprocess.Popen([sys.executable, "-c", SAVER, str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begin\n"
            time.sleep(delay_s)
            process.kill()
        with Store(tmp_path / "catalog.sqlite3") as store:
            index = SyncedIndex(store, MODEL_ID, embed_dim=64, path=tmp_path / "image_features.pt")
            assert index.refused is None or index.refused.code == "index_missing", "a half-written file must never have the name"
            hits = index.search(entries[7].embedding[None], 1)
            assert hits[0][0][0] == items[7].item_id
            index.close()
