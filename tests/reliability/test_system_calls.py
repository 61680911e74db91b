"""What the kernel sees: the log is on the disk before an item is acknowledged, and a fault at any call loses nothing.

SIGKILL does not lose what the kernel was given; a power cut does. That is why the order of the calls is looked at, not only the outcome.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.store import Store

PROJECT = Path(__file__).resolve().parents[2]
CALLS = "pwrite64,fdatasync,fsync,ftruncate"
COUNT = 3


def traced(folder: Path, *options: str, start: int, path: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the adding process under strace."""
    command = ["strace", "-f", "-y", "-o", str(folder / "trace"), *options, sys.executable, "-m", "tests.reliability.adding"]
    return subprocess.run([*command, str(path), str(start), str(COUNT)], cwd=PROJECT, capture_output=True, check=False)


def can_trace() -> bool:
    return (
        bool(shutil.which("strace"))
        and subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0
    )


pytestmark = [pytest.mark.slow, pytest.mark.skipif(not can_trace(), reason="needs strace")]


def test_the_log_is_on_the_disk_before_the_acknowledgement(tmp_path: Path) -> None:
    done = traced(tmp_path, "-e", f"trace={CALLS},write", start=0, path=tmp_path / "catalog.sqlite3")
    assert done.returncode == 0, done.stderr
    acknowledged, unsynced, synced = 0, 0, 0
    for line in (tmp_path / "trace").read_text(errors="replace").splitlines():
        if "pwrite64" in line and "catalog.sqlite3-wal" in line:
            unsynced += 1
        elif re.search(r"f(data)?sync\(.*catalog\.sqlite3-wal.*= 0", line):
            unsynced, synced = 0, synced + 1
        elif "write(1<" in line and '"ack ' in line:
            acknowledged += 1
            assert unsynced == 0, "an item was acknowledged before its log was on the disk"
            assert synced >= acknowledged
    assert acknowledged == COUNT


@pytest.mark.parametrize("fault", ["signal=SIGKILL", "error=ENOSPC", "error=EIO"])
def test_a_fault_at_any_storage_call_loses_nothing(tmp_path: Path, fault: str) -> None:
    """Some of the calls of opening, adding and closing, one after the other, until a run comes through without meeting one."""
    template = tmp_path / "template.sqlite3"
    with Store(template) as store:
        store.items.add_many([made_up_item(number) for number in range(30)], model_id=MODEL_ID)
    met = 0
    for call, step in (("pwrite64", 37), ("fdatasync", 1), ("fsync", 1), ("ftruncate", 1)):
        when = 1
        while True:
            folder = tmp_path / f"{call}{when}"
            folder.mkdir()
            path = folder / "catalog.sqlite3"
            shutil.copy(template, path)
            done = traced(folder, "-e", f"trace={CALLS}", "-e", f"inject={call}:{fault}:when={when}", start=100, path=path)
            lines = done.stdout.decode().splitlines()
            # strace dies of the same signal as the process it watches.
            assert done.returncode in (0, 3, -9, 137), done.stderr
            assert b"Traceback" not in done.stderr
            injected = "INJECTED" in (folder / "trace").read_text(errors="replace") or done.returncode in (-9, 137)
            acknowledged = [int(line.removeprefix("ack ")) for line in lines if line.startswith("ack ")]
            check(path, acknowledged)
            if not injected:
                break
            met, when = met + 1, when + step
    assert met >= 5


def check(path: Path, acknowledged: list[int]) -> None:
    with Store(path) as store:
        numbers = [*range(30), *range(100, 100 + COUNT)]
        known = store.items.known([made_up_item(number).key for number in numbers])
        found = [number for number in numbers if made_up_item(number).key in known]
        # One item may be there whose acknowledgement was not given any more.
        assert found[: 30 + len(acknowledged)] == [*range(30), *acknowledged]
        assert store.items.count() == len(found) <= 31 + len(acknowledged)
        for number in found:
            entry = made_up_item(number)
            item_id = known[entry.key].item.item_id
            assert store.pictures.rendition(item_id) == entry.picture.rendition
            assert store.embeddings.get(item_id, MODEL_ID).tobytes() == entry.embedding.tobytes()
