"""Two processes of half a batch each against one process of the whole: the same curves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from crossmodal.training import distributed
from crossmodal.training.losses import LOSSES
from tests.crossmodal.training import tiny_run

PROJECT = Path(__file__).resolve().parents[3]
UNJOINED = "terminate called without an active exception"
"""What the C++ runtime says of a thread that is destroyed while it runs; an exception of ours never ends so."""
TRIES = 3


def torchrun(out: Path, *losses: str) -> dict[str, dict[str, list[float]]]:
    """Tried again when a process died of a thread that its libraries had not joined: seen on a loaded machine, never alone."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for _ in range(TRIES):
        said = subprocess.run(
            [*command, "-m", "tests.crossmodal.training.tiny_run", str(out), *losses],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        if UNJOINED not in said.stderr:
            break
    assert said.returncode == 0, said.stderr[-3000:]
    found: dict[str, dict[str, list[float]]] = json.loads(out.read_text())
    return found


def test_two_processes_learn_as_one_with_the_doubled_batch(tmp_path: Path) -> None:
    two = torchrun(tmp_path / "two.json", *LOSSES.names())
    tiny_run.curves(list(LOSSES.names()), tmp_path / "one.json")
    one = json.loads((tmp_path / "one.json").read_text())
    for loss in LOSSES.names():
        assert two[loss]["losses"] == pytest.approx(one[loss]["losses"], abs=1e-5), loss
        assert two[loss]["scores"] == pytest.approx(one[loss]["scores"], abs=1e-3), loss
        assert two[loss]["weights"] == pytest.approx(one[loss]["weights"], abs=1e-4), loss
        assert one[loss]["losses"][-1] < one[loss]["losses"][0], loss


def test_one_process_is_its_own_case() -> None:
    values, groups = torch.randn(3, 2), torch.arange(3)
    with distributed.process_group() as device:
        assert device.type in {"cpu", "cuda"}
        assert distributed.gathered(values, groups) == (values, groups)
        assert distributed.any_of(True, False) == (True, False)
        assert distributed.mean_of([1.5]) == distributed.of_the_first([1.5]) == [1.5]
        assert (distributed.rank(), distributed.processes(), distributed.is_writer()) == (0, 1, True)
        learner = torch.nn.Linear(1, 1)
        assert distributed.shared(learner) is learner
