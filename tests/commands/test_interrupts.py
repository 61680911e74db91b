"""Ctrl-C in the middle of an index, in a process of its own: a sentence, a number, and the rest the next time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.index_kills import write_pictures
from crossmodal.store import Store
from tests.commands.shell import Shell

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a signal to a group of processes")
def test_ctrl_c_keeps_what_was_done(empty_shell: Shell) -> None:
    write_pictures(empty_shell.folder / "pictures", 600)
    process = subprocess.Popen(
        [sys.executable, "cli.py", "index", str(empty_shell.folder / "pictures")],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    store_path = empty_shell.folder / "data" / "catalog.sqlite3"
    while process.poll() is None and not _count(store_path):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "start it again to continue" in errors
    assert out == ""
    done = _count(store_path)
    assert 0 < done < 600
    [[said]] = empty_shell.lines("index", empty_shell.folder / "pictures")
    assert said == f"{600 - done:,} pictures indexed, {done:,} unchanged, 0 failed."


def _count(store_path: Path) -> int:
    if not store_path.exists():
        return 0
    with Store(store_path) as store:
        return store.items.count()
