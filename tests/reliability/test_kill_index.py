"""`index` killed at random moments and let finish: the benchmark in small."""

import signal
from pathlib import Path

import pytest

from benchmarks.index_kills import environment_of, kill_and_finish, write_pictures
from tests.commands.shell import installed
from tests.tiny import SPEC

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")]


def test_every_picture_exactly_once_and_none_encoded_twice(tmp_path: Path) -> None:
    installed(tmp_path)
    write_pictures(tmp_path / "pictures", 150)
    environment = {**environment_of(tmp_path), "CROSSMODAL_DECODE_WORKERS": "1", "OMP_NUM_THREADS": "1"}
    report = kill_and_finish(tmp_path, environment, pictures=150, kills=3, seed=1, square_px=SPEC.image_size_px)
    assert report.wrong == []
    assert report.kills >= 1  # a quick machine may finish before the last of the three
    assert report.committed[-1] == 150
    assert report.again == 0
    assert 150 <= report.encoded < 150 + 3 * 5 * 32  # a kill costs the batches under way, and no more
