"""The hub: a whole checkpoint when it answers, a line when it does not, and never a long wait or a word of its own."""

import hashlib
import http.server
import math
import os
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from crossmodal.backbones.download import from_torchvision, in_time
from tests.crossmodal.backbones.checkpoints import network, save

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[3]
COMMIT = "c" * 40


@contextmanager
def hub_of(folder: Path, *, cut: str = "") -> Iterator[str]:
    """A server that answers like the hub, with one folder as every repository's; of the file `cut` it sends half and falls silent."""
    over = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            if (file := self.answer()) is not None:
                content = file.read_bytes()
                self.wfile.write(content[: len(content) // 2] if file.name == cut else content)
                if file.name == cut:
                    self.wfile.flush()
                    over.wait(60)

        def answer(self) -> Path | None:
            file = folder / self.path.rpartition("/")[2]
            found = (file.is_file() and "/resolve/main/" in self.path) or f"/resolve/{COMMIT}/" in self.path
            self.send_response(200 if found and file.is_file() else 404)
            self.send_header("X-Repo-Commit", COMMIT)
            if not file.is_file():
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return None
            self.send_header("ETag", f'"{hashlib.sha256(file.read_bytes()).hexdigest()}"')
            self.send_header("Content-Length", str(file.stat().st_size))
            self.end_headers()
            return file

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        over.set()
        server.shutdown()


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


def test_a_checkpoint_is_fetched_once_and_then_cached(tmp_path: Path) -> None:
    folder = save(network("bert"), tmp_path / "served")
    with hub_of(folder) as endpoint:
        first = run(f"{LOAD}\n    say(text_backbone('minilm-l6'), True, 10.0)", tmp_path, endpoint=endpoint)
    assert first == ["Loaded from sentence-transformers/all-MiniLM-L6-v2."]
    again = f"{LOAD}\n    say(text_backbone('minilm-l6'), False)"
    assert run(again, tmp_path, endpoint="http://127.0.0.1:1") == first


def test_half_a_checkpoint_is_none(tmp_path: Path) -> None:
    folder = save(network("bert"), tmp_path / "served")
    script = f"{LOAD}\n    say(text_backbone('minilm-l6'), True, 2.0)\n    say(text_backbone('minilm-l6'), False)"
    with hub_of(folder, cut="model.safetensors") as endpoint:
        first, second = run(script, tmp_path, endpoint=endpoint)
    assert "could not be downloaded" in first
    assert "are not on this computer" in second


def test_a_repository_without_weights_is_none(tmp_path: Path) -> None:
    folder = save(network("bert"), tmp_path / "served")
    (folder / "model.safetensors").unlink()
    with hub_of(folder) as endpoint:
        [said] = run(f"{LOAD}\n    say(text_backbone('minilm-l6'), True, 10.0)", tmp_path, endpoint=endpoint)
    assert "could not be downloaded" in said


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
