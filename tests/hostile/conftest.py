"""The shared hostile corpus and its trap server, for every test of this folder."""

import importlib.util
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.shared_data import SHARED

HOSTILE = SHARED / "hostile"
SCALE = 0.1
"""Of the trap server's bombs: they still unpack to many times what is allowed, and build ten times as fast."""

Entry = dict[str, Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.hostile)


class Corpus:
    """The hostile inputs of the shared generator, built class by class when first asked for.

    Classes: picture, csv, checkpoint, index, url, text, query, name. An entry is a dictionary of the generator's manifest; its docstring
    says what is in it.
    """

    def __init__(self, root: Path, **options: str) -> None:
        self._root = root
        self._options = options
        self._entries: dict[str, list[Entry]] = {}

    def folder(self, kind: str) -> Path:
        """Where the files of a class lie; `entry["path"]` is relative to it."""
        return self._root / {"query": "text", "name": "text"}.get(kind, kind)

    def entries(self, kind: str) -> list[Entry]:
        """The manifest's entries of a class."""
        folder = self.folder(kind)
        if not folder.exists():
            options = [part for name, value in self._options.items() for part in (f"--{name.replace('_', '-')}", value)]
            command = [
                sys.executable,
                "-W",
                "ignore",
                str(HOSTILE / "make_corpus.py"),
                str(folder),
                "--only",
                folder.name,
                *options,
            ]
            subprocess.run(command, check=True, capture_output=True)
        manifest = json.loads((folder / "manifest.json").read_text())
        found = [entry for entry in manifest["entries"] if entry["cls"] == kind]
        assert found, f"the generator made no {kind}"
        return found

    def data(self, entry: Entry) -> bytes:
        """The bytes of an entry that is a file."""
        return (self.folder(entry["cls"]) / entry["path"]).read_bytes()

    def canary_fired(self, kind: str) -> bool:
        """Whether an input of the class ran code."""
        return Path(json.loads((self.folder(kind) / "manifest.json").read_text())["canary"]).exists()


@pytest.fixture(scope="session")
def hostile_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    if not HOSTILE.exists():
        pytest.skip("needs the shared test input hostile beside the project folder")
    return Corpus(tmp_path_factory.mktemp("hostile"))


@dataclass
class EvilServer:
    """The trap server in a process of its own, so that its floods do not slow down who is tested."""

    port: int
    canary: int

    def ask(self, path: str) -> Any:
        """What it knows: `/__index` of the traps, `/__hits` it got."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as response:
            return json.load(response)

    def canary_hits(self) -> list[Any]:
        """Requests that reached the internal service. Every one is a hole."""
        return list(self.ask("/__hits")["canary"])

    @cached_property
    def module(self) -> ModuleType:
        """The server's code, for its resolver."""
        spec = importlib.util.spec_from_file_location("evil_server", HOSTILE / "evil_server.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


@contextmanager
def running_evil_server(corpus: Corpus) -> Iterator[EvilServer]:
    """A fresh trap server that also serves the corpus' pictures under `/corpus/picture/`."""
    corpus.entries("picture")
    command = [sys.executable, str(HOSTILE / "evil_server.py"), "--scale", str(SCALE), "--corpus", str(corpus.folder("picture"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield EvilServer(said["port"], said["canary"])
        process.kill()


@pytest.fixture
def evil_server(hostile_corpus: Corpus) -> Iterator[EvilServer]:
    """One for a single test."""
    with running_evil_server(hostile_corpus) as server:
        yield server
