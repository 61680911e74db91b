"""What a command does where no usable model lies: read what can be read, and say what takes a minute before it begins."""

from pathlib import Path

import pytest

from commands._progress import ProgressBar
from crossmodal.progress import Progress
from tests.commands.shell import Shell


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("initialize._trained", lambda *_args: pytest.fail("a model was trained"))
    monkeypatch.setattr("initialize.write_demo_catalogue", lambda *_args, **_more: pytest.fail("the demo was drawn"))


def model_file(shell: Shell) -> Path:
    return shell.folder / "trained_model.pth"


@pytest.mark.usefixtures("no_training")
def test_models_are_listed_without_the_one_in_use(shell: Shell) -> None:
    [entry] = shell.json("models")
    assert (entry["items_embedded"], entry["active"]) == (12, True)
    for spoil in (lambda: model_file(shell).write_bytes(b"foreign"), model_file(shell).unlink):
        spoil()
        said = shell("models")
        assert said.exit_code == 0
        assert said.stdout.split("\t") == [entry["model_id"], entry["model_id"][:12], "12", "kept\n"]
        assert "No model is in use" in said.stderr


@pytest.mark.usefixtures("no_training")
def test_models_of_nothing_end_with_five(empty_shell: Shell) -> None:
    [entry] = empty_shell.json("models")
    assert (entry["items_embedded"], entry["active"]) == (0, True)
    model_file(empty_shell).write_bytes(b"foreign")
    assert empty_shell("models").exit_code == 5
    model_file(empty_shell).unlink()
    assert empty_shell("models").exit_code == 5


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["index", "/nosuch"], 3),
        (["index", ""], 2),
        (["index", "  "], 2),
        (["add", "/nosuch.png"], 3),
        (["search", "/nosuch.png"], 3),
        (["search", "red", "--and-image", "/nosuch.png"], 3),
        (["search", "--captions-for", "/nosuch.png"], 3),
        (["failed", "--retry"], 5),
    ],
)
def test_a_wrong_place_is_said_before_anything_is_made(empty_shell: Shell, words: list[str], code: int) -> None:
    model_file(empty_shell).unlink()
    result = empty_shell(*words)
    assert result.exit_code == code, result.output
    assert "model" not in result.stderr


@pytest.mark.usefixtures("no_training")
def test_nothing_failed_needs_no_model(shell: Shell) -> None:
    model_file(shell).unlink()
    assert shell.lines("failed", "--retry") == [["No row failed."]]


def test_a_training_is_announced_when_it_begins(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.models.loading import load_model

    model = load_model(model_file(shell))

    def trained(_settings: object, _decoder: object, _weights: object, told: ProgressBar) -> object:
        told(Progress("model", "Training on this computer from random weights."))
        return model.save(model_file(shell))

    monkeypatch.setattr("initialize._trained", trained)
    model_file(shell).unlink()
    said = shell("search", "red disc").stderr
    assert "One is trained on this computer now, which takes about a minute." in said
    assert "Training on this computer from random weights." in said
    model_file(shell).unlink()
    assert shell("search", "red disc", "--quiet").stderr == ""
    assert "train" not in shell("search", "red disc").stderr


def test_a_step_that_is_repeated_is_announced_once(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(answered=("index",)) as told:
        for _ in range(3):
            told(Progress("model", "Waiting"))
        told(Progress("model", "Epoch 1", done=1, total=4))
        told(Progress("index", "PictureTask", done=1, total=2))
        told(Progress("index", "the answer says this", finished=True))
    assert capsys.readouterr() == ("", "Waiting\n")
