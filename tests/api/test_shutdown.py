"""`serve` is stopped during an import: everything is closed, nothing is damaged, and the next start resumes."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from benchmarks.index_kills import write_pictures
from crossmodal.store import Store
from tests.commands.shell import Shell, installed, settled
from tests.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[2]
PICTURES = 600
LONGEST_S = 90

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="sends signals")]


def count(store_path: Path) -> int:
    if not store_path.exists():
        return 0
    with Store(store_path) as store:
        return store.items.count()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_a_server_told_to_end_stops_its_job_and_closes_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    here, store_path = tmp_path / "here", tmp_path / "here" / "data" / "catalog.sqlite3"
    installed(here)
    settled(here, monkeypatch)
    pictures = here / "pictures"
    write_pictures(pictures, PICTURES)
    monkeypatch.setenv("CROSSMODAL_CATALOGUE", str(pictures))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "cli.py", "serve", "--port", str(port), "--verbose"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: process.poll() is not None or (count(store_path) and answers(port)))
    process.send_signal(number)
    _, said = process.communicate(timeout=LONGEST_S)
    assert process.returncode == code, said
    assert f"The API listens on http://127.0.0.1:{port}; documentation: http://127.0.0.1:{port}/docs." in said
    for trouble in ("Traceback", "damaged", "index_corrupt", "was closed"):
        assert trouble not in said
    assert not store_path.with_name("catalog.sqlite3-wal").exists(), "the last one to close folds the log into the file"
    assert (here / "data" / "image_features.pt").exists()
    done = count(store_path)
    assert 0 < done < PICTURES
    [[line]] = Shell(here).lines("index", pictures)
    assert line == f"{PICTURES - done:,} pictures indexed, {done:,} unchanged, 0 failed."
