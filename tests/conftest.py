"""For every test: one thread of torch in each process, a fresh start that trains, and a list of slow tests not marked `slow`."""

import gc
import os
import shutil
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Most tests start with a tiny model of their own; those of the built-in model, which takes a second and 100 MB, ask for it.
os.environ.setdefault("CROSSMODAL_FIRST_MODEL", "trained")

SLOW_S = 5.0
MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 8 * 2**30


def pytest_configure() -> None:
    """Keep what the tests write in memory where there is plenty: waiting for a disk was a third of their time.

    Processes are killed in these tests, computers are not, so nothing that they prove depends on the disk.
    """
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_finish() -> None:
    """Leave what was imported out of every later garbage collection, a third of a second each."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that `-m "not slow"` should leave out. A busy computer makes every test slow, so nothing fails."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    slow = [report for report in reports if report.duration > SLOW_S and not {"slow", "browser"} & set(report.keywords)]
    if slow:
        terminalreporter.section(f"took more than {SLOW_S:g} s and are not marked slow")
        for report in sorted(slow, key=lambda report: -report.duration):
            terminalreporter.line(f"{report.duration:5.1f} s  {report.nodeid}")
