"""`export`, `import-vectors` and `serve` as commands."""

import json
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossmodal.store import Store
from doctor import run
from tests.commands.shell import Shell


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.npy", "pictures"])
def test_the_name_says_the_kind(shell: Shell, name: str) -> None:
    path = shell.folder / name
    assert shell.lines("export", path) == [["12", str(path)]]
    assert path.is_dir() == (name == "pictures")
    assert shell("export", path).exit_code == 2  # it is there already


def test_only_what_is_found(shell: Shell) -> None:
    path = shell.folder / "found"
    assert shell.lines("export", path, "--search", "red disc", "--top", 3) == [["3", str(path)]]
    assert len(list(path.glob("*.jpg"))) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([""], "Give a file"),
        (["."], "Give a file"),
        (["-"], "standard output"),
        (["out.xlsx"], ".csv, .parquet, .npy, and no suffix for a folder"),
        (["out.csv", "--top", 3], "--top requires --search"),
        (["out.csv", "--kind", "xlsx"], "'xlsx' is not one of 'csv'"),
    ],
)
def test_an_export_that_cannot_be_is_refused(shell: Shell, words: list[object], said: str) -> None:
    result = shell("export", *words)
    assert result.exit_code == 2, result.output
    assert said in result.stderr


def test_what_is_there_already_says_how_it_gives_way(shell: Shell) -> None:
    table, folder = shell.folder / "out.csv", shell.folder / "out"
    for path in (table, folder):
        shell("export", path)
    assert "replace it with --overwrite" in shell("export", table).stderr
    assert shell("export", table, "--overwrite").exit_code == 0
    result = shell("export", folder, "--overwrite")
    assert result.exit_code == 2
    assert "a folder is never overwritten, because it may hold files of yours" in result.stderr


@pytest.mark.parametrize("wish", [("--where", "nosuch=1"), ("--search", "red", "--where", "nosuch=1")])
def test_nothing_to_export_writes_nothing(shell: Shell, wish: tuple[str, ...]) -> None:
    path = shell.folder / "out.csv"
    result = shell("export", path, *wish)
    assert result.exit_code == 1, result.output
    assert 'no item has an attribute "nosuch"' in result.stderr
    assert not path.exists()


def test_an_export_needs_no_model(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("initialize.build_system", lambda *_args, **_kwargs: pytest.fail("a model was loaded"))
    (shell.folder / "trained_model.pth").unlink()
    for name in ("out.csv", "out", "out.npy", "out.parquet"):
        result = shell("export", shell.folder / name)
        assert (result.exit_code, result.stderr) == (0, "")
    assert np.load(shell.folder / "out.npy").shape == (12, 32)


def test_vectors_of_a_model_that_looked_at_nothing_are_refused(shell: Shell) -> None:
    with Store(shell.folder / "data" / "catalog.sqlite3") as store:
        for model_id in store.models.counts():
            store.models.drop(model_id)
    result = shell("export", shell.folder / "out.npy")
    assert result.exit_code == 5
    assert "No item has an embedding of the active model. Compute them: python cli.py index --repair" in result.stderr
    assert not (shell.folder / "out.npy").exists()


def test_vectors_go_out_and_come_back(shell: Shell) -> None:
    path = shell.folder / "out.npy"
    shell("export", path)
    assert shell.lines("import-vectors", path) == [["12", "imported"]]
    rows = np.load(path)
    np.save(path, rows[:, :5])
    result = shell("import-vectors", path)
    assert result.exit_code == 4
    assert "not the file that out.ids.json was written with" in result.stderr
    path.with_suffix(".ids.json").write_text(json.dumps(list(range(1, 13))))
    result = shell("import-vectors", path)
    assert result.exit_code == 4
    assert "dimension 5" in result.stderr
    result = shell("import-vectors", path, "--model", "nosuch")
    assert result.exit_code == 5
    assert 'No model here has an id that begins with "nosuch"' in result.stderr
    assert shell("import-vectors", shell.folder / "missing.npy").exit_code == 3


def test_a_model_is_named_by_the_beginning_of_its_id_also_when_an_embedding_is_damaged(shell: Shell) -> None:
    path = shell.folder / "out.npy"
    shell("export", path)
    about = json.loads(path.with_suffix(".ids.json").read_text())
    store_path = shell.folder / "data" / "catalog.sqlite3"
    with sqlite3.connect(store_path) as db:
        db.execute("UPDATE embeddings SET embedding = zeroblob(length(embedding)) WHERE item_id = 5")
    db.close()
    assert shell.lines("import-vectors", path, "--model", about["model_id"][:6]) == [["12", "imported"]]
    with Store(store_path) as store:
        assert len(store.changes.since(about["model_id"]).item_ids) == 12  # whole again
    np.save(path, np.load(path)[:, :5])
    path.with_suffix(".ids.json").write_text(json.dumps(about["item_ids"]))
    result = shell("import-vectors", path, "--model", about["model_id"][:6])
    assert result.exit_code == 4
    assert "those of the model 32" in result.stderr


def test_serving_takes_its_address_from_the_options(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("api.server.serve", lambda settings, told, ready: asked.append((settings.api_host, settings.api_port)))
    assert shell("serve", "--port", 5001).exit_code == 0
    assert asked == [("127.0.0.1", 5001)]


def test_a_port_that_is_taken_is_said_before_a_model_is_loaded(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.server.build_system", lambda *_args: pytest.fail("a model was loaded"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = shell("serve", "--port", port)
    assert result.exit_code == 6
    assert result.stderr.startswith(f"Error: Port {port} is taken by another program. Choose another")
    monkeypatch.setenv("CROSSMODAL_API_KEYS", '["0123456789abcdef"]')
    assert shell("serve", "--host", "192.0.2.1").exit_code == 2  # no address of this computer


def test_an_open_address_without_a_key_is_refused(shell: Shell) -> None:
    result = shell("serve", "--host", "0.0.0.0")
    assert result.exit_code == 2
    assert result.stderr.startswith(
        "Error: The API would listen on 0.0.0.0, open to other computers, without a key. Set CROSSMODAL_API_KEYS"
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: rows * np.nan, "Row 1 of the vectors is not finite"),
        (lambda rows: rows * 0, "Row 1 of the vectors is not finite, or zero"),
        (lambda rows: rows * 2, "has the length 2, not 1"),
        (lambda rows: rows[:, :7], "dimension 7"),
        (lambda rows: rows[:3], "3 rows"),
        (lambda rows: rows.astype(np.int64), "floats"),
    ],
)
def test_a_bad_file_of_vectors_ends_with_four(shell: Shell, spoil: Callable[[np.ndarray], np.ndarray], said: str) -> None:
    path = shell.folder / "out.npy"
    shell("export", path)
    ids = shell.folder / "ids.txt"
    ids.write_text("\n".join(map(str, range(1, 13))))
    np.save(path, spoil(np.load(path)))
    result = shell("import-vectors", path, "--ids", ids)
    assert result.exit_code == 4, result.output
    assert said in result.stderr


def test_ids_that_are_not_here_name_the_option(shell: Shell) -> None:
    path = shell.folder / "out.npy"
    shell("export", path)
    shell("remove", 1)
    result = shell("import-vectors", path)
    assert result.exit_code == 2
    assert "skip these with --skip-unknown" in result.stderr
    assert shell.lines("import-vectors", path, "--skip-unknown") == [["11", "imported"]]


def test_the_doctor_finds_nothing_after_an_import(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "CHECKS", tuple(entry for entry in run.CHECKS if entry[0] in ("store", "model", "cache")))
    path = shell.folder / "out.npy"
    shell("export", path)
    shell("search", "red disc")
    shell("import-vectors", path)
    assert shell.json("doctor")["findings"] == []
    assert len(shell.lines("search", "red disc")) == 5


def test_json_of_an_export_says_the_model(shell: Shell) -> None:
    path = Path(shell.folder / "out.npy")
    shell("export", path)
    about = json.loads(path.with_suffix(".ids.json").read_text())
    assert len(about["model_id"]) == 16
    assert len(about["content_hashes"]) == 12
