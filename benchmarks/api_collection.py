"""A collection of synthetic items, and an API server process that serves it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np

from benchmarks.made_up import made_up_embeddings
from benchmarks.made_up_store import entry_of
from crossmodal.store import Store
from engine.models.spec import ModelCard, ModelSpec
from engine.models.trained import TrainedModel, build_untrained

SPEC = ModelSpec(embed_dim=256, vocab_size=16_384, max_text_tokens=32, image_size_px=64)
QUERIES = tuple(
    f"{colour} {pattern} {thing}"
    for colour in ("red", "blue", "green")
    for pattern in ("striped", "plain")
    for thing in ("mug", "shoe", "lamp")
)
_BATCH = 512
_PROJECT = Path(__file__).resolve().parents[1]


def made(folder: Path, items: int) -> None:
    """Write an untrained model of the real size, and `items` items with short titles and embeddings under its id."""
    card = ModelCard("random weights", "made up", "made up", 0, 0.0, 0.0, None, ())
    model = TrainedModel(build_untrained(SPEC), SPEC, card, model_id="").save(folder / "model.pth")
    embeddings = made_up_embeddings(items, SPEC.embed_dim)
    with Store(folder / "data" / "catalog.sqlite3") as store:
        for start in range(0, items, _BATCH):
            numbers = range(start, min(start + _BATCH, items))
            store.items.add_many([entry_of(n, embeddings[n], picture_bytes=2_000) for n in numbers], model_id=model.model_id)
    (folder / "dataset").mkdir()
    (folder / "dataset" / "amazon_products.csv").write_text("title,imgUrl\nnothing,nothing.png\n", encoding="utf-8")


def settings_of(folder: Path, port: int) -> dict[str, str]:
    """Environment variables of a server for the collection in a folder."""
    return {
        "CROSSMODAL_DATA_DIR": str(folder / "data"),
        "CROSSMODAL_DATASET_DIR": str(folder / "dataset"),
        "CROSSMODAL_MODEL_PATH": str(folder / "model.pth"),
        "CROSSMODAL_DOWNLOAD_WEIGHTS": "false",
        "CROSSMODAL_API_PORT": str(port),
    }


class Server:
    """A `serve` process."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._log = (folder / "server.log").open("ab")
        code = "from api.server import serve; from config import Settings; serve(Settings())"
        environment = {**os.environ, **settings_of(folder, self.port)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=_PROJECT, env=environment, stdout=self._log, stderr=self._log
        )

    def wait_until_ready(self, timeout_s: float = 120.0) -> float:
        """Wait for `/health`; returns the seconds that it took."""
        began = time.monotonic()
        while time.monotonic() - began < timeout_s:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}; see server.log")
            try:
                with urllib.request.urlopen(f"{self.address}/health", timeout=2) as response:
                    if json.load(response)["status"] == "healthy":
                        return time.monotonic() - began
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the server was not ready in time")

    def kill(self) -> None:
        """Send SIGKILL and wait until the process has ended."""
        self.process.kill()
        self.process.wait()
        self._log.close()

    def stop(self) -> None:
        """Terminate the process and wait until it has ended."""
        self.process.terminate()
        self.process.wait(60)
        self._log.close()


def free_port() -> int:
    """A port that is currently free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def drawn_png(number: int) -> bytes:
    """A small picture generated from a number; the same number gives the same file."""
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (48, 48, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()
