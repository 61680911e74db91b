"""Several threads and several processes on one collection at once."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.store import Store

PROJECT = Path(__file__).resolve().parents[3]
WRITER = """
import sys
from pathlib import Path
from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.store import Store
with Store(Path(sys.argv[1])) as store:
    for number in range(int(sys.argv[2]), int(sys.argv[2]) + int(sys.argv[3])):
        store.items.add(made_up_item(number), model_id=MODEL_ID)
"""

MAKERS = """
import os, sys, tempfile
from pathlib import Path
from crossmodal.store import Store
for _ in range(12):
    with tempfile.TemporaryDirectory() as folder:
        gate_out, gate_in = os.pipe()
        children = []
        for number in range(5):
            children.append(os.fork())
            if not children[-1]:
                os.close(gate_in)
                os.read(gate_out, 1)
                with Store(Path(folder) / "catalog.sqlite3") as store:
                    store.meta.set(f"process {number}", "was here")
                os._exit(0)
        os.close(gate_in)
        os.close(gate_out)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 5
"""


def test_writers_and_readers_in_threads(tmp_path: Path) -> None:
    with Store(tmp_path / "catalog.sqlite3") as store:

        def write(writer: int) -> None:
            for number in range(12):
                item, _ = store.items.add(made_up_item(100 * writer + number), model_id=MODEL_ID)
                if number % 4 == 3:
                    store.items.remove([item.item_id])

        def read(_: int) -> None:
            for _ in range(30):
                changes = store.changes.since(MODEL_ID)
                # Every fourth item may be removed at any moment.
                lasting = [
                    item for item in store.items.get_many(changes.item_ids.tolist()) if int(item.attributes["number"]) % 4 != 3
                ]
                for item in lasting[-3:]:
                    assert store.pictures.rendition(item.item_id) == made_up_item(int(item.attributes["number"])).picture.rendition

        with ThreadPoolExecutor(6) as pool:
            for job in [*(pool.submit(write, writer) for writer in range(3)), *(pool.submit(read, reader) for reader in range(3))]:
                job.result()
        assert store.items.count() == 27


def test_several_processes_share_one_collection(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    # All begin with a file that is not there yet: whoever is first makes it.
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(start), "15"], cwd=PROJECT, stderr=subprocess.PIPE)
        for start in (0, 100, 200)
    ]
    with Store(path) as store:
        for number in range(300, 315):
            store.items.add(made_up_item(number), model_id=MODEL_ID)
        errors = [writer.communicate()[1] for writer in writers]
        assert errors == [b"", b"", b""]
        numbers = [*range(15), *range(100, 115), *range(200, 215), *range(300, 315)]
        known = store.items.known([made_up_item(number).key for number in numbers])
        assert len(known) == 60 == store.items.count()
        ids = [known[made_up_item(number).key].item.item_id for number in numbers]
        changes = store.changes.since(MODEL_ID)
        rows = dict(zip(changes.item_ids.tolist(), changes.embeddings, strict=True))
        assert all(
            np.array_equal(rows[item_id], made_up_item(number).embedding) for item_id, number in zip(ids, numbers, strict=True)
        )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that start at the same instant")
def test_processes_that_make_the_file_at_the_same_instant() -> None:
    subprocess.run([sys.executable, "-c", MAKERS], cwd=PROJECT, check=True)
