"""The hub: a whole checkpoint when it answers, a line when it does not, and never a long wait or a word of its own."""

import math
import os
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from crossmodal.backbones.download import from_torchvision, in_time
from tests.crossmodal.backbones.checkpoints import network, save
from tests.crossmodal.hub.loopback import COMMIT, serving

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[3]


def run(script: str, tmp_path: Path, *, endpoint: str) -> list[str]:
    """What a fresh process prints, with empty caches and this address as the hub's; it must say nothing else."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_", "TORCH_HOME"))}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hf"), "TORCH_HOME": str(tmp_path / "torch")}
    environment |= {"PYTHONPATH": str(PROJECT)}
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    return said.stdout.splitlines()


LOAD = """
    import sys, threading, urllib.error
    from pathlib import Path
    import torch
    from crossmodal.backbones.registry import IMAGE_BACKBONES, TEXT_BACKBONES, image_backbone, text_backbone
    from crossmodal.backbones.weights import WeightsSource
    from crossmodal.errors import WeightsError

    def nobody(*args, **options):
        raise urllib.error.URLError("no network")

    torch.hub.download_url_to_file = nobody

    waits, join = [], threading.Thread.join

    def noted(thread, timeout=None):
        waits.extend([timeout] * (thread.name == "weights-download"))
        join(thread, timeout)

    threading.Thread.join = noted

    def say(family, download, timeout_s=0.25):
        waits.clear()
        try:
            found = family.load(WeightsSource(folder=Path("weights").absolute(), download=download, timeout_s=timeout_s), None)
            print(found.origin.note)
        except WeightsError as error:
            print(error.sentence)
        assert waits == [timeout_s] * len(waits), waits
"""


@pytest.mark.parametrize("silent", [False, True], ids=["dead port", "silent server"])
def test_without_a_network_each_name_ends_in_one_line(tmp_path: Path, silent: bool) -> None:
    script = f"""{LOAD}
    for registry in (IMAGE_BACKBONES, TEXT_BACKBONES):
        for name in registry:
            if name != "everyday":  # its weights are installed, not downloaded
                say(registry[name], True)
    say(image_backbone("clip:google/siglip-base-patch16-224"), False)
    print("transformers" in sys.modules)
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not silent:
            server.close()
        lines = run(script, tmp_path, endpoint=f"http://127.0.0.1:{port}")
    gone, clip = "could not be downloaded.", "(config.json, model.safetensors, tokenizer.json) at weights/clip/."
    torchvision = [
        f"The weights of {name} {gone} Put a state_dict of torchvision's {name} at weights/{name}.pth."
        for name in ("mobilenet_v2", "efficientnet_b0", "vit_b_16")
    ]
    minilm = [
        f"The weights of minilm-l{n} {gone} Put the folder of sentence-transformers/all-MiniLM-L{n}-v2 "
        f"(config.json, model.safetensors, tokenizer.json) at weights/minilm-l{n}/."
        for n in (6, 12)
    ]
    assert lines == [
        "ImageNet weights could not be downloaded, so training starts from random weights. Offline this is normal.",
        *torchvision,
        f"The weights of google/vit-base-patch16-224 {gone} Put the folder of google/vit-base-patch16-224 "
        "(config.json, model.safetensors) at weights/vit-base-patch16-224/.",
        f"The weights of clip {gone} Put the folder of openai/clip-vit-base-patch32 {clip}",
        "This backbone has no pretrained weights.",
        *minilm,
        f"The weights of clip {gone} Put the folder of openai/clip-vit-base-patch32 {clip}",
        "The weights of clip:google/siglip-base-patch16-224 are not on this computer, and downloading is switched off. "
        "Put the folder of google/siglip-base-patch16-224 (config.json, model.safetensors, tokenizer.json) "
        "at weights/siglip-base-patch16-224/.",
        "False",  # nothing is imported for weights that are not there
    ]


def test_a_checkpoint_is_fetched_once_and_then_found(tmp_path: Path) -> None:
    folder = save(network("bert"), tmp_path / "served")
    with serving(folder) as hub:
        first = run(f"{LOAD}\n    say(text_backbone('minilm-l6'), True, 10.0)", tmp_path, endpoint=hub.url)
    assert first == ["Loaded from the folder all-MiniLM-L6-v2."]
    again = f"{LOAD}\n    say(text_backbone('minilm-l6'), False)"
    assert run(again, tmp_path, endpoint="http://127.0.0.1:1") == first


def test_what_another_program_downloaded_is_used(tmp_path: Path) -> None:
    folder = save(network("bert"), tmp_path / "saved")
    cache = tmp_path / "hf" / "hub" / "models--sentence-transformers--all-MiniLM-L6-v2"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(COMMIT)
    (cache / "snapshots").mkdir()
    folder.rename(cache / "snapshots" / COMMIT)
    script = f"{LOAD}\n    say(text_backbone('minilm-l6'), False)"
    assert run(script, tmp_path, endpoint="http://127.0.0.1:1") == ["Loaded from sentence-transformers/all-MiniLM-L6-v2."]


def test_a_repository_without_weights_is_said(tmp_path: Path) -> None:
    folder = save(network("bert"), tmp_path / "served")
    (folder / "model.safetensors").unlink()
    with serving(folder) as hub:
        [said] = run(f"{LOAD}\n    say(text_backbone('minilm-l6'), True, 10.0)", tmp_path, endpoint=hub.url)
    assert "no weights as model.safetensors" in said


def test_work_that_moves_is_waited_for_and_work_that_stands_is_not() -> None:
    bytes_so_far = iter(range(10**6))
    over, later, waits = threading.Event(), threading.Event(), []

    def wait(thread: threading.Thread, seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 6:
            later.set()
            thread.join()

    assert in_time(lambda: 3, 10.0, lambda: 0.0) == 3
    assert in_time(lambda: 1 / 0, 10.0, lambda: 0.0) is None
    assert in_time(lambda: over.wait(60), 0.05, lambda: 0.0, wait=wait) is None
    assert waits == [0.05]
    over.set()
    waits.clear()
    assert in_time(lambda: later.wait(60), 0.05, lambda: float(next(bytes_so_far)), wait=wait)
    assert waits == [0.05] * 6
    waits.clear()
    later.clear()
    assert in_time(lambda: later.wait(60), 0.05, lambda: math.inf, wait=wait)
    assert waits == [0.05] * 6


def test_a_partial_file_that_is_renamed_while_it_is_counted_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listed, and gone when its size is asked; the whole file is there then, so the download is still waited for."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    target, listed, go_on = tmp_path / "checkpoints" / "net-0.pth", threading.Event(), threading.Event()
    target.parent.mkdir()
    glob = Path.glob

    def raced(folder: Path, pattern: str) -> list[Path]:
        found = list(glob(folder, pattern))
        if found:
            found[0].rename(target)
            listed.set()
        return found

    def fetch(url: str, dst: str, **options: object) -> None:
        partial = target.with_name(f"{target.name}.x.partial")
        torch.save({"weight": torch.ones(1)}, partial)
        assert listed.wait(60)
        assert go_on.wait(60)

    exists = Path.exists

    def then_go_on(path: Path) -> bool:
        there = exists(path)
        if path == target and listed.is_set():
            go_on.set()
        return there

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    monkeypatch.setattr(Path, "glob", raced)
    monkeypatch.setattr(Path, "exists", then_go_on)
    state = from_torchvision(SimpleNamespace(url="https://models.example/net-0.pth"), 0.5)
    assert state is not None
    assert torch.equal(state["weight"], torch.ones(1))


def test_a_download_that_is_left_behind_changes_no_socket_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the rest of the program opens meanwhile, and afterwards, waits as long as it asked for itself."""
    over, ended, seen = threading.Event(), threading.Event(), []

    def stuck(*_arguments: object, **_options: object) -> None:
        seen.append(socket.getdefaulttimeout())
        over.wait(60)
        ended.set()
        raise OSError("the line is gone")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", stuck)
    try:
        assert from_torchvision(SimpleNamespace(url="https://weights.example/net-0123abcd.pth"), 0.1) is None
        assert (seen, socket.getdefaulttimeout()) == ([None], None)
    finally:
        over.set()
    assert ended.wait(60)
    assert socket.getdefaulttimeout() is None
