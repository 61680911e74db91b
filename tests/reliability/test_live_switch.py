"""The model of a living collection is changed by a process that is killed half way; another one lives through it."""

import signal
from pathlib import Path

import pytest

from benchmarks.live_switch import run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")]


def test_nothing_fails_is_lost_or_mixed(tmp_path: Path) -> None:
    report = run(tmp_path, items=160, pause_s=0.2, after_s=1.0)
    assert report.failed == []
    assert report.lost == []
    assert report.mixed == []
    assert report.kills == 1
    assert report.searches > report.by_new_model > 0
    assert report.added > 0
