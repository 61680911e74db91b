"""`train`, `evaluate`, `visualize`, `models` and `use`: from a catalogue to a model that answers in the collection."""

import json
import re
import shutil
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest
import typer

from config import read_settings
from crossmodal.backbones.everyday import is_installed
from engine.models.loading import load_model
from initialize import build_system
from tests.app_parts import csv_source, things
from tests.commands.shell import Shell, settled
from tests.tiny import SPEC, untrained
from training.presets import PRESETS

pytestmark = pytest.mark.slow

SMALL = ("--random-weights", "--image-size", 32, "--dim", 48, "--epochs", 2, "--batch-size", 4)


@pytest.fixture(scope="module")
def trained(filled_installation: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with a run of a small model on its own catalogue."""
    folder = Path(shutil.copytree(filled_installation, tmp_path_factory.mktemp("trained") / "here"))
    with pytest.MonkeyPatch.context() as patch:
        result = shell_in(folder, patch)("train", "--preset", "mobilenet-gru", *SMALL)
    assert result.exit_code == 0, result.output
    assert "recall sum" in result.stdout
    assert "search with it: python cli.py use" in result.stdout
    return folder


@pytest.fixture
def run(trained: Path) -> Path:
    return trained / "runs" / "mobilenet-gru"


def shell_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    settled(folder, monkeypatch)
    monkeypatch.setenv("CROSSMODAL_RUNS_DIR", str(folder / "runs"))
    return Shell(folder)


def test_a_run_is_evaluated_drawn_and_used(shell: Shell, run: Path) -> None:
    figures = json.loads(shell("evaluate", "--model", run, "--side", "all", "--json").stdout)
    assert figures["text_to_image"]["queries"] == 12
    figures = json.loads(shell("evaluate", "--model", run, "--side", "train", "--max-pictures", 8, "--json").stdout)
    assert figures["text_to_image"]["queries"] == 8
    assert load_model(run / "model.pth").spec.embed_dim == 48
    assert shell("evaluate", "--model", run, "--out", shell.folder / "report").exit_code == 0
    assert {path.name for path in (shell.folder / "report").iterdir()} == {"evaluation.json", "evaluation.md", "evaluation.html"}

    drawn = shell.lines("visualize", "--model", run, "--side", "all", "--out", shell.folder / "pictures", "--query", "red disc")
    assert {Path(line).name for [line] in drawn} >= {"query_1.png", "top_matches_grid.png", "training_curves.png"}

    before = shell.json("models")
    assert [entry["active"] for entry in before] == [True]
    used = shell("use", run)
    assert used.exit_code == 0, used.output
    after = shell.json("models")
    assert [(entry["active"], entry["items_embedded"]) for entry in after] == [(True, 12), (False, 12)]
    assert after[1]["model_id"] == before[0]["model_id"]
    assert len(shell.lines("search", "red disc", "-k", 3)) == 3

    back = shell("use", before[0]["model_id"], "--drop-former")
    assert back.exit_code == 0, back.output
    assert [entry["model_id"] for entry in shell.json("models")] == [before[0]["model_id"]]
    assert shell.lines("search", "red disc", "-k", 1)[0][3] == "red disc"


def test_a_second_run_does_not_overwrite_the_first(trained: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = shell_in(trained, monkeypatch)
    before = (run / "model.pth").read_bytes()
    result = shell("train", "--preset", "mobilenet-gru", *SMALL)
    assert result.exit_code == 5
    assert "holds a training run already" in result.stderr
    assert "--resume" in result.stderr
    assert (run / "model.pth").read_bytes() == before
    result = shell("train", "--preset", "mobilenet-gru", *SMALL, "--epochs", 3, "--resume")
    assert result.exit_code == 5
    assert "was begun with recipe.epochs = 2, not 3." in result.stderr
    assert "learning_rate" not in result.stderr
    assert shell("train", "--preset", "mobilenet-gru", *SMALL, "--resume").exit_code == 0


def test_the_page_and_the_shell_take_each_others_models(empty_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell, pictures = empty_shell, csv_source(empty_shell.folder / "mine", things(120))
    for name, value in {"MAX_EPOCHS": 6, "BATCH_SIZE": 16, "CATALOGUE": pictures, "RUNS_DIR": shell.folder / "runs"}.items():
        monkeypatch.setenv(f"CROSSMODAL_{name}", str(value))
    first = untrained(SPEC, seed=5).save(shell.folder / "trained_model.pth").model_id
    assert shell("index").exit_code == 0

    with closing(build_system(read_settings(), fill=False)) as app:  # as the page opens it
        app.start_training()
        status = app.jobs.wait(120)
        assert status is not None
        assert status.message.startswith("The new model is in use"), status
        from_page = app.generation().model.model_id
    listed = shell.json("models")
    assert [(entry["model_id"], entry["active"]) for entry in listed] == [(from_page, True), (first, False)]
    figures = json.loads(shell("evaluate", "--model", shell.folder / "trained_model.pth", "--side", "all", "--json").stdout)
    assert figures["text_to_image"]["queries"] == 120
    assert len(shell.lines("search", "red disc", "-k", 3)) == 3

    result = shell("train", "--preset", "resnet18-gru", *SMALL, "--epochs", 1, "--batch-size", 16)
    assert result.exit_code == 0, result.output
    model = shell.folder / "runs" / "resnet18-gru" / "model.pth"
    with closing(build_system(read_settings(), fill=False)) as app:
        app.start_switch(model)
        status = app.jobs.wait(120)
        assert app.generation().model.model_id == load_model(model).model_id, status
        assert len(app.search_by_text("red disc", 3)) == 3
        assert app.tasks.estimate().worthwhile  # the page would train this model further


def test_torchrun_is_refused_in_a_sentence(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = shell("train", "--preset", "mobilenet-gru", *SMALL)
    assert result.exit_code == 5
    assert "torchrun" in result.stderr
    assert "python cli.py train" in result.stderr


@pytest.mark.parametrize("name", ["mobilenet-gru", "mobilenet-minilm", "efficientnet-minilm", "vit-minilm", "clip-hybrid"])
def test_missing_weights_are_one_line_that_says_where(shell: Shell, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HF_HOME", "TORCH_HOME", "CROSSMODAL_WEIGHTS_DIR"):
        monkeypatch.setenv(variable, str(shell.folder / "nothing"))
    result = shell("train", "--preset", name)
    assert result.exit_code == 3
    assert "Put " in result.stderr
    assert "nothing" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not result.stdout


def test_a_model_that_is_not_there_is_named_by_its_whole_path(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    (shell.folder / "half").mkdir()
    for model, said in (("/nope", "There is no model at /nope"), (shell.folder / "half", "There is no model.pth in the folder")):
        with monkeypatch.context() as patch:
            patch.setattr("initialize.build_system", lambda *_args, **_kwargs: pytest.fail("a model was loaded"))
            result = shell("use", model)
        assert result.exit_code == 3, result.output
        assert said in result.stderr
    result = shell("use", "abc")
    assert result.exit_code == 3
    assert f"There is no model at {Path('abc').absolute()}, and none here has this id." in result.stderr


def test_a_model_to_evaluate_that_is_not_there_is_missing(shell: Shell) -> None:
    result = shell("evaluate", "--model", "runs/nope")
    assert result.exit_code == 3
    assert f"There is no model at {Path('runs/nope').absolute()}." in result.stderr
    assert "Delete" not in result.stderr


def test_an_unknown_loss_is_refused_before_weights_are_looked_for(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.models.build.assemble", lambda *_args, **_kwargs: pytest.fail("weights were looked for"))
    for option in ("--loss", "--schedule"):
        result = shell("train", "--preset", "mobilenet-minilm", option, "foo")
        assert result.exit_code == 2, result.output
        assert "Known are" in result.stderr


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_device_that_is_not_there_is_one_sentence(shell: Shell, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    result = shell(command, "--device", "cuda")
    assert result.exit_code == 2
    assert "The device cuda is not available" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_guide_names_only_options_that_exist(shell: Shell) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    known = {option for command in ("train", "evaluate", "models", "use") for option in _options_of(command)}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", guide)) <= known | {"--server", "--logdir"}


def _options_of(command: str) -> set[str]:
    group = typer.main.get_group(import_module("cli").app)
    loaded = group.get_command(group.context_class(group), command)
    assert loaded is not None
    return {option for parameter in loaded.params for option in parameter.opts}


def test_unknown_names_list_the_known_ones(shell: Shell) -> None:
    result = shell("train", "--preset", "mobilnet-minilm")
    assert result.exit_code == 2
    assert "Known are: mobilenet-minilm" in result.stderr
    result = shell("train", "--preset", "mobilenet-gru", *SMALL, "--loss", "cosine")
    assert result.exit_code == 2
    assert "clip" in result.stderr


def test_presets_are_listed(shell: Shell) -> None:
    assert [name for name, _ in shell.lines("models", "--presets")] == list(PRESETS)


@pytest.mark.skipif(not is_installed(), reason="needs the packages of requirements-weights.txt")
def test_the_built_in_model_goes_by_its_name(shell: Shell) -> None:
    """`evaluate` and `use` take `everyday`; it is the same file each time."""
    figures = json.loads(shell("evaluate", "--model", "everyday", "--side", "all", "--json").stdout)
    assert figures["text_to_image"]["queries"] == 12
    [written] = (shell.folder / "data" / "models").glob("*.pth")
    used = shell("use", "everyday")
    assert used.exit_code == 0, used.output
    assert "Everyday words is in use now" in used.output
    assert written.exists()
    again = shell("use", "everyday")
    assert again.exit_code == 2
    assert "already active" in again.output
