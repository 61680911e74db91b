"""`models list`, `get` and `use`, with a hub on this computer."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossmodal.hub.published import PUBLISHED
from tests.commands.shell import Shell
from tests.crossmodal.backbones.hub_models import save_clip, save_siglip2
from tests.crossmodal.hub.loopback import Hub, point_client_at, serving

PROJECT = Path(__file__).resolve().parents[2]
SIGLIP2, CLIP = "google/siglip2-base-patch32-256", "openai/clip-vit-base-patch32"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROSSMODAL_WEIGHTS_DIR", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as running:
        point_client_at(running.url, monkeypatch)
        yield running


def test_the_list_says_licence_size_and_figure(empty_shell: Shell, weights: Path) -> None:
    rows = empty_shell.lines("models", "list")
    assert [row[0] for row in rows] == [model.repository for model in PUBLISHED]
    assert rows[0][1:] == ["Apache-2.0", "1,507 MB", "47.2 %", "not here"]
    entry = empty_shell.json("models", "list")[0]
    assert entry["coco"] == [47.2, 63.7]
    assert "2502.14786" in entry["figures_from"]
    assert (entry["here"], entry["in_use"], entry["pictures_per_s"]) == (False, False, None)


@pytest.mark.slow
def test_get_then_use(shell: Shell, weights: Path, hub: Hub) -> None:
    save_siglip2(hub.folder)
    result = shell("models", "get", "siglip2-base-patch32-256")
    assert result.exit_code == 0, result.output
    assert "licence Apache-2.0" in result.stderr
    assert str(weights / "siglip2-base-patch32-256") in result.stdout
    assert "here" in shell.lines("models", "list")[0][-1]
    hub.fail_api = lambda handler: pytest.fail("the network was asked")
    result = shell("models", "use", SIGLIP2)
    assert result.exit_code == 0, result.output
    assert "SigLIP 2 base, 32 is in use now" in result.stdout
    assert "in use" in shell.lines("models", "list")[0][-1]
    assert len(shell.lines("search", "a red disc", "--top", "3")) == 3
    assert shell("models", "get", SIGLIP2).exit_code == 0


@pytest.mark.slow
def test_files_of_a_folder_are_used(shell: Shell, weights: Path, tmp_path: Path) -> None:
    save_clip(tmp_path / "stick")
    assert shell("models", "get", CLIP, "--from", tmp_path / "stick").exit_code == 0
    result = shell("models", "use", CLIP, "--from", tmp_path / "stick")
    assert result.exit_code == 0, result.output
    assert "in use now" in result.stdout


def _without_a_route(*words: str) -> subprocess.CompletedProcess[str]:
    """A command in a network namespace of its own, which has no route anywhere."""
    command = ["unshare", "-rn", sys.executable, str(PROJECT / "cli.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode != 0,
    reason="this system lets no user make a network namespace",
)
def test_without_any_network_everything_else_works(shell: Shell, weights: Path) -> None:
    result = _without_a_route("models", "get", SIGLIP2, "--quiet")
    assert result.returncode == 4
    assert "cannot be reached" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert _without_a_route("search", "red disc", "--top", "2").stdout.count("\n") == 2
    save_clip(weights / "clip-vit-base-patch32")
    result = _without_a_route("models", "use", CLIP)
    assert "in use now" in result.stdout, result.stderr


def test_without_a_route_it_is_one_line(empty_shell: Shell, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_client_at("http://127.0.0.1:1", monkeypatch)
    result = empty_shell("models", "get", SIGLIP2, "--quiet")
    assert result.exit_code == 4
    [line] = result.stderr.strip().splitlines()
    assert "config.json, tokenizer.json, model.safetensors" in line
    assert str(weights / "siglip2-base-patch32-256") in line


@pytest.mark.parametrize(
    "words", [("models", "fetch", "x"), ("models", "get"), ("models", "use", "nothing"), ("models", "get", "../x/y")]
)
def test_wrong_words_are_a_usage_error(empty_shell: Shell, weights: Path, words: tuple[str, ...]) -> None:
    result = empty_shell(*words)
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_an_interrupt_pauses_and_the_same_command_goes_on(empty_shell: Shell, weights: Path, hub: Hub) -> None:
    save_siglip2(hub.folder)
    hub.bytes_per_s = 100_000
    command = [sys.executable, str(PROJECT / "cli.py"), "models", "get", SIGLIP2]
    with subprocess.Popen(
        command, env={**os.environ, "HF_ENDPOINT": hub.url}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        part = weights / "siglip2-base-patch32-256.part"
        while not any(file.stat().st_size for file in part.glob("model.safetensors.*")):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _out, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Paused; the same command goes on." in said
    assert "arrived" in empty_shell.lines("models", "list")[0][-1]
    hub.bytes_per_s = None
    assert empty_shell("models", "get", SIGLIP2).exit_code == 0
    assert [request.begin > 0 for request in hub.asked if request.name == "model.safetensors"] == [False, True]
    assert empty_shell("models", "get", SIGLIP2, "--discard").exit_code == 0


@pytest.mark.slow
def test_a_hybrid_is_made_of_the_same_files(shell: Shell, weights: Path) -> None:
    """`train --preset clip:NAME` averages picture and title, writes no second copy of the weights, and says where they came from."""
    save_clip(weights / "clip-vit-base-patch32")
    run = shell.folder / "run"
    result = shell("train", "--preset", f"clip:{CLIP}", "--data", shell.folder / "dataset" / "amazon_products.csv", "--out", run)
    assert result.exit_code == 0, result.output
    assert "Loaded from the folder clip-vit-base-patch32." in result.stderr
    assert all(file.stat().st_size < 40_000 for file in run.rglob("*.pth"))
    assert shell("use", run).exit_code == 0
    assert "CLIP B/32, OpenAI, with titles" in shell("models").stdout
    assert len(shell.lines("search", "a red disc", "--top", "3")) == 3
