"""A killed run goes on to the same numbers, whenever it was killed."""

import json
import multiprocessing
import random
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossmodal.errors import TrainingError
from crossmodal.progress import Stopped
from crossmodal.training.losses import LOSSES
from crossmodal.training.run_dir import BEST, LAST, RunDir
from tests.crossmodal.training.tiny_run import BATCH, PICTURES, PLAN, TinyLearner, run, run_and_die

pytestmark = pytest.mark.slow

STEPS = PICTURES // BATCH
TOTAL = STEPS * PLAN.max_epochs


@pytest.fixture(autouse=True)
def one_thread():
    """Sums in another order would differ in their last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict], dict[str, torch.Tensor], list]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs") / "unbroken"
    history, learner = run(folder)
    torch.set_num_threads(before)
    return told(folder), learner.state_dict(), timeless(history)


def told(folder: Path) -> list[dict]:
    """The history without its times."""
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def timeless(history: list) -> list:
    return [replace(entry, seconds=0.0) for entry in history]


def same(folder: Path, unbroken: tuple) -> None:
    """Take the run up a last time and compare everything with the unbroken one, to the bit."""
    lines, weights, history = unbroken
    ended, learner = run(folder)
    assert timeless(ended) == history
    assert told(folder) == lines
    assert [line["epoch"] for line in lines] == list(range(1, PLAN.max_epochs + 1))
    assert all(torch.equal(value, weights[name]) for name, value in learner.state_dict().items())
    kept, _ = RunDir(folder).load_weights()
    assert all(torch.equal(value, weights[name]) for name, value in kept.items())


def killed(folder: Path, at_step: int) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "tests.crossmodal.training.tiny_run"])
    child = context.Process(target=run_and_die, args=(str(folder), at_step))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_five_times_at_random_steps(tmp_path: Path, unbroken: tuple, seed: int) -> None:
    folder = tmp_path / "run"
    for at_step in sorted(random.Random(seed).sample(range(1, TOTAL + 1), 5)):
        killed(folder, at_step)
    same(folder, unbroken)


def test_learning_happened(unbroken: tuple) -> None:
    lines = unbroken[0]
    assert lines[-1]["loss"] < lines[0]["loss"] * 0.9
    assert lines[-1]["score"] > 2 * sum(1 / rank for rank in range(1, PICTURES + 1)) / PICTURES  # chance


class Killed(BaseException):
    """Stands for a kill between two writes."""


@pytest.mark.parametrize("call", range(1, 22))
def test_killed_between_any_two_writes(tmp_path: Path, unbroken: tuple, call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of the folder is replaced or appended in one stroke; the run is broken off before each of the first strokes."""
    folder, real, strokes = tmp_path / "run", {}, [0]

    def counted(name: str):
        def wrapped(self: RunDir, *arguments: object) -> object:
            strokes[0] += 1
            if strokes[0] == call:
                raise Killed
            return real[name](self, *arguments)

        return wrapped

    for name in ("save_state", "save_weights", "append_line", "rewrite_history"):
        real[name] = getattr(RunDir, name)
        monkeypatch.setattr(RunDir, name, counted(name))
    with pytest.raises(Killed):
        run(folder)
    monkeypatch.undo()
    same(folder, unbroken)


@pytest.mark.parametrize("at_step", [1, 5, STEPS, STEPS + 1, TOTAL - 1])
def test_stopped_runs_go_on(tmp_path: Path, unbroken: tuple, at_step: int) -> None:
    stop = threading.Event()
    folder = tmp_path / "run"
    with pytest.raises(Stopped):
        run(folder, on_step=lambda done, total: stop.set() if done == at_step else None, stop=stop)
    done = []
    run(folder, on_step=lambda step, total: done.append(step))
    assert done == list(range(at_step + 1, TOTAL + 1))  # nothing is done twice
    same(folder, unbroken)


@pytest.mark.parametrize("save_every_epochs", [0, 1])
def test_a_run_stopped_before_its_first_batch_goes_on(tmp_path: Path, unbroken: tuple, save_every_epochs: int) -> None:
    """There is a state then, but neither a line nor weights of any epoch to put right."""
    plan, folder = replace(PLAN, save_every_epochs=save_every_epochs), tmp_path / "run"
    stop = threading.Event()
    stop.set()
    for _ in range(2):
        with pytest.raises(Stopped):
            run(folder, plan, stop=stop)
    assert sorted(path.name for path in folder.glob("*.pt")) == [LAST]
    done = []
    run(folder, plan, on_step=lambda step, total: done.append(step))
    assert done == list(range(1, TOTAL + 1))
    same(folder, unbroken)


def test_a_line_written_after_the_last_state_is_not_there_twice(tmp_path: Path, unbroken: tuple) -> None:
    folder = tmp_path / "run"
    run(folder)
    with (folder / "history.jsonl").open("a") as file:
        file.write('{"epoch": 4, "lo')
    same(folder, unbroken)


def test_a_finished_run_is_only_read(tmp_path: Path, unbroken: tuple) -> None:
    folder = tmp_path / "run"
    run(folder)
    steps = []
    history, _ = run(folder, on_step=lambda done, total: steps.append(done))
    assert steps == []
    assert timeless(history) == unbroken[2]


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(folder)
    raw = bytearray((folder / LAST).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / LAST).write_bytes(raw)
    with pytest.raises(Exception, match=r"last\.pt"):
        run(folder)


def test_a_loss_that_ran_away_keeps_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, forward = tmp_path / "run", TinyLearner.forward
    calls = [0]

    def poisoned(self: TinyLearner, batch: object) -> torch.Tensor:
        calls[0] += 1
        return forward(self, batch) * (float("nan") if calls[0] == STEPS + 3 else 1.0)

    monkeypatch.setattr(TinyLearner, "forward", poisoned)
    with pytest.raises(TrainingError, match="not a finite number in epoch 2, batch 3") as caught:
        run(folder)
    assert "epoch 1" in caught.value.remedy
    assert str(folder / BEST) in caught.value.remedy
    weights, line = RunDir(folder).load_weights()
    assert line["epoch"] == 1
    assert all(bool(value.isfinite().all()) for value in weights.values())
    assert len(told(folder)) == 1


def test_weights_of_every_second_epoch(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(folder, replace(PLAN, save_every_epochs=2))
    assert sorted(path.name for path in folder.glob("*.pt")) == ["best.pt", "epoch-0002.pt", "epoch-0004.pt", "last.pt"]
    assert [path.stat().st_size > 0 for path in (folder / "events").iterdir()] == [True]


def test_other_settings_or_data_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(folder)
    with pytest.raises(TrainingError, match="begun with seed = 7, not 8"):
        run(folder, seed=8)
    with pytest.raises(TrainingError, match=r"data .* have changed"):
        RunDir.resume(folder, {"loss": "clip", "seed": 7}, {"digest": "other"})
    with pytest.raises(TrainingError, match="holds a training run already"):
        RunDir.create(folder, {}, {}, product="x")
    with pytest.raises(TrainingError, match="no training run"):
        RunDir.resume(tmp_path / "nothing", {}, {})


def test_a_run_that_version_0_1_left_half_done_goes_on(tmp_path: Path, unbroken: tuple) -> None:
    """Then several processes could train: settings.json has their number, last.pt a generator state of each."""
    stop = threading.Event()
    with pytest.raises(Stopped):
        run(tmp_path / "run", on_step=lambda done, _total: stop.set() if done == STEPS + 3 else None, stop=stop)
    folder = RunDir(tmp_path / "run")
    state = folder.load_state()
    assert state is not None
    folder.save_state(state | {"random": {name: [value] for name, value in state["random"].items()}})
    settings = json.loads((folder.path / "settings.json").read_text())
    folder.write_json("settings.json", settings | {"processes": 1})
    same(folder.path, unbroken)


def test_a_run_of_two_processes_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "run", replace(PLAN, max_epochs=1))
    folder = RunDir(tmp_path / "run")
    folder.write_json("settings.json", json.loads((folder.path / "settings.json").read_text()) | {"processes": 2})
    with pytest.raises(TrainingError, match="processes = 2"):
        run(folder.path, replace(PLAN, max_epochs=1))


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_falls(loss: str) -> None:
    history, _ = run(None, loss=loss, dropout=0.0)
    assert history[-1].loss < history[0].loss
