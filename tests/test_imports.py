"""Who may import whom: the house's rule as a table, and every file of the project held against it."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.source_files import PROJECT, source_files

ERRORS, ITEMS, PROGRESS, ATOMIC, LOCKS = (f"crossmodal.{name}" for name in ("errors", "items", "progress", "atomic", "locks"))
FILTERS, RANKING = "crossmodal.filters", "crossmodal.ranking"
STORE, IMAGES, INDEXES, INGEST = "crossmodal.store", "crossmodal.images", "crossmodal.indexes", "crossmodal.ingest"
TEXT, DEMO, JOBS, RUNTIMES = "crossmodal.text", "crossmodal.demo", "crossmodal.jobs", "crossmodal.runtimes"
BACKBONES, TRAINING, EVALUATION = "crossmodal.backbones", "crossmodal.training", "crossmodal.evaluation"
TORCHVISION, REGISTRY = "crossmodal.torchvision_compat", "crossmodal.registry"
INSTALLATION, HUB = "crossmodal.installation", "crossmodal.hub"

PACKAGES: dict[str, set[str]] = {
    # The library: knows neither settings, Streamlit nor any file beside its own folder.
    "crossmodal": set(),
    ERRORS: set(),
    ITEMS: set(),
    FILTERS: {ERRORS},
    INSTALLATION: set(),
    TORCHVISION: set(),
    ATOMIC: {ERRORS},
    RUNTIMES: {ERRORS, ATOMIC},
    EVALUATION: {ERRORS, ITEMS, ATOMIC},
    PROGRESS: {ERRORS},
    TEXT: {ERRORS},
    LOCKS: {ERRORS},
    JOBS: {ERRORS, PROGRESS, LOCKS},
    DEMO: {ERRORS, PROGRESS, ATOMIC},
    STORE: {ERRORS, ITEMS, FILTERS, TEXT},  # TEXT: a title made from a file name is told from one that somebody gave
    IMAGES: {ERRORS, INSTALLATION, ITEMS},
    INDEXES: {ERRORS, ATOMIC, REGISTRY, STORE, RUNTIMES},
    RANKING: {ITEMS},
    INGEST: {ERRORS, ITEMS, PROGRESS, TEXT, STORE, IMAGES},
    REGISTRY: {ERRORS},
    HUB: {ERRORS, ATOMIC, INSTALLATION, LOCKS, PROGRESS},
    BACKBONES: {ERRORS, ITEMS, HUB, PROGRESS, REGISTRY, TEXT, TORCHVISION},
    TRAINING: {ERRORS, ATOMIC, PROGRESS, REGISTRY, TEXT},
    # The application, from its settings to its doors.
    "config": {ERRORS, INSTALLATION},
    "datasets": {ERRORS, ITEMS, TEXT, INGEST},
    "encoders": {ITEMS, IMAGES, BACKBONES},
    "training": {ERRORS, ITEMS, ATOMIC, PROGRESS, TEXT, RUNTIMES, REGISTRY, IMAGES, INGEST, BACKBONES, TRAINING, EVALUATION}
    | {INSTALLATION, "datasets", "encoders"},  # below the application: it knows no store, no settings and no door
    "system": {TRAINING, EVALUATION, "datasets", "encoders", "training"},
    "engine": {ERRORS, HUB, INSTALLATION, ITEMS, FILTERS, PROGRESS, ATOMIC, LOCKS, JOBS, TEXT, STORE, IMAGES, INDEXES, INGEST}
    | {RANKING, RUNTIMES, BACKBONES, TRAINING, EVALUATION, "datasets", "encoders", "system", "training"},
    "app_logic": {"engine"},
    "initialize": {ERRORS, ITEMS, LOCKS, PROGRESS, BACKBONES, STORE, DEMO, IMAGES, INGEST}
    | {"app_logic", "config", "datasets", "engine", "training"},
    "api": {ERRORS, ITEMS, FILTERS, JOBS, PROGRESS, TEXT, STORE, IMAGES, INGEST} | {"config", "engine", "initialize"},
    "ui": {ERRORS, HUB, INSTALLATION, ITEMS, JOBS, PROGRESS, EVALUATION} | {"config", "engine", "training", "initialize"},
    "app": {"ui", "api"},  # the page mounts the API; a door imports no other otherwise
    # The command line, and what it does besides.
    "doctor": {ERRORS, INSTALLATION, ITEMS, PROGRESS, TEXT, STORE, IMAGES, INDEXES, "config", "engine", "initialize"},
    "commands": {ERRORS, HUB, INSTALLATION, ITEMS, FILTERS, JOBS, PROGRESS, TEXT, STORE, INGEST, EVALUATION, TRAINING, RUNTIMES}
    | {"config", "engine", "initialize", "training", "doctor"}
    | {"api"},  # `serve` starts it, `search` and `add` ask one that runs; a door imports no other otherwise
    "cli": {INSTALLATION, "commands"},
    # The entry point of the installed package.
    "packaging": {"cli"},
}
"""Package → the packages it may import, itself apart. Benchmarks may import all of these, tests those and benchmarks."""

TORCH_PACKAGES = {BACKBONES, TRAINING, EVALUATION, INDEXES, RUNTIMES, TORCHVISION}
TORCH_PACKAGES |= {"datasets", "encoders", "system", "engine", "training"}
OUTSIDE: dict[str, set[str]] = {
    "streamlit": {"app", "ui", "initialize", "commands.page"},  # in initialize only inside `initialize_system`, see below
    "torch": TORCH_PACKAGES | {"crossmodal.images.transforms"},
    "torchvision": {TORCHVISION},
    "numpy": {
        ITEMS,
        STORE,
        IMAGES,
        INDEXES,
        INGEST,
        EVALUATION,
        TRAINING,
        "engine",
        "training",
        "datasets",
        "doctor",
    },
    "matplotlib": {EVALUATION, "training"},
    "tensorboardX": {TRAINING},
    "openvino": {RUNTIMES},
    "sklearn": {"crossmodal.evaluation.projections"},
    "umap": {"crossmodal.evaluation.projections"},
    "PIL": {IMAGES, DEMO},
    "pillow_heif": {IMAGES},
    "requests": {IMAGES},
    "urllib3": {IMAGES},
    "certifi": {IMAGES},
    "idna": {IMAGES},
    "pandas": {"ui"},
    "fastapi": {"api"},
    "fastapi_offline": {"api"},
    "starlette": {"api", "app"},
    "uvicorn": {"api"},
    "h11": {"api"},
    "limits": {"api"},
    "prometheus_client": {"api"},
    "pydantic": {"config", "api"},
    "dotenv": {"config"},
    "platformdirs": {"config"},
    "sqlite3": {STORE, JOBS},
    "filelock": {LOCKS},
    "pyarrow": {"crossmodal.ingest.sources.parquet", "crossmodal.ingest.sources.parquet_reader", "engine.export_formats"},
    "watchfiles": {"engine.watch"},
    "typer": {"cli", "commands"},
    "rich": {"commands"},
    # Loaded inside functions, when a backbone that needs them is asked for by name.
    "transformers": {"crossmodal.backbones.hugging_face"},
    "huggingface_hub": {"crossmodal.backbones.download", "crossmodal.hub.remote"},
    "httpx2": {"crossmodal.hub.remote"},  # the hub's client is made of it
    "safetensors": {"crossmodal.backbones.weights", "crossmodal.backbones.mapped"},
    "tokenizers": {"crossmodal.backbones.hugging_face"},
}
"""Package of others → our packages or files that may import it. One that is not here is not a dependency yet."""

WITHOUT_TORCH = {ERRORS, ITEMS, PROGRESS, JOBS, TEXT, STORE, INGEST, DEMO, HUB, "config"}
WITHOUT_TORCH_FILES = {"crossmodal.images.decoder", "crossmodal.images.decode_worker", "crossmodal.images.fetch"}
LIBRARIES = set(sys.stdlib_module_names) - set(OUTSIDE)


class Import(NamedTuple):
    """One imported name and the function around it, if any."""

    module: str
    function: str


def imports_of(source: str) -> list[Import]:
    """Every import of a file. `from a import b` may mean the module `a.b` or a name in `a`: both are listed as `a.b`."""
    found = []

    def walk(node: ast.AST, function: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend(Import(alias.name, function) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, "relative imports hide which package is imported"
                found.extend(Import(f"{child.module}.{alias.name}", function) for alias in child.names)
            elif isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):  # no expression holds an import
                walk(child, child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function)

    walk(ast.parse(source), "")
    return found


@cache
def modules() -> dict[str, Path]:
    """Every Python file by its dotted name; a package by its own."""
    return {".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__"): path for path in source_files()}


def package_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "crossmodal" else parts[0]


@cache
def edges(module: str) -> tuple[Import, ...]:
    """What a file imports; our own modules by the exact name of the file."""
    found = []
    for name, function in imports_of(modules()[module].read_text(encoding="utf-8")):
        parent = name.rpartition(".")[0]
        found.append(Import(name if name in modules() or parent not in modules() else parent, function))
    return tuple(found)


def product() -> list[str]:
    return [module for module in modules() if module.split(".")[0] not in {"tests", "benchmarks", "scripts"}]


def complaints(module: str, imports: list[Import]) -> list[str]:
    """What a file of the product imports and may not."""
    package = package_of(module)
    found = []
    for name, function in imports:
        target, top = package_of(name), name.split(".")[0]
        if target == package or top in {"__future__", "_typeshed"} or top in LIBRARIES:
            continue
        if target in PACKAGES or top in {"tests", "benchmarks", "scripts", "crossmodal"}:
            if target not in PACKAGES.get(package, set()):
                found.append(f"{module} imports {name}: {package} may not import {target}")
        elif not {package, module} & OUTSIDE.get(top, set()):
            found.append(f"{module} imports {name}: {package} may not use {top}")
        elif top == "streamlit" and package == "initialize" and function != "initialize_system":
            found.append(f"{module} imports streamlit outside initialize_system")
    return found


@pytest.mark.parametrize("module", sorted(product()))
def test_file_keeps_to_the_table(module: str) -> None:
    assert package_of(module) in PACKAGES, f"{module} is in no package of the table above: add it"
    assert complaints(module, list(edges(module))) == []


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("crossmodal.text.x", "import streamlit", "crossmodal.text may not use streamlit"),
        ("crossmodal.text.x", "def f():\n    from config import Settings", "crossmodal.text may not import config"),
        ("crossmodal.text.x", "from crossmodal.images import fetch", "may not import crossmodal.images"),
        ("crossmodal.images.fetch", "import torch", "may not use torch"),
        ("initialize", "import streamlit as st", "outside initialize_system"),
        ("initialize", "def build_system():\n    import streamlit", "outside initialize_system"),
        ("app_logic", "from config import Settings", "may not import config"),
        ("ui.x", "from app_logic import LostFoundApp", "may not import app_logic"),
        ("datasets", "from tests import shared_data", "may not import tests"),
        ("config", "import httpx", "may not use httpx"),
    ],
)
def test_the_table_notices(module: str, source: str, complaint: str) -> None:
    [found] = complaints(module, imports_of(source))
    assert complaint in found


def test_the_table_allows_streamlit_inside_initialize_system() -> None:
    assert complaints("initialize", imports_of("def initialize_system():\n    import streamlit as st")) == []


def test_benchmarks_and_tests_are_imported_by_nobody_else() -> None:
    for module in modules():
        if module.split(".")[0] == "benchmarks":
            assert not [name for name, _ in edges(module) if name.split(".")[0] == "tests"], module


def test_every_package_of_the_table_is_there() -> None:
    assert set(PACKAGES) == {package_of(module) for module in product()}


def test_packages_and_files_go_one_way() -> None:
    """Raises `CycleError` with the way around."""
    list(TopologicalSorter(PACKAGES).static_order())
    list(TopologicalSorter({module: {name for name, _ in edges(module)} & modules().keys() for module in modules()}).static_order())


def reached(module: str) -> set[str]:
    """Every name a file imports, itself or through our files and their packages."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in modules():
            parts = name.split(".")
            waiting += [name for name, _ in edges(name)] + [".".join(parts[:i]) for i in range(1, len(parts))]
    return seen


@pytest.mark.parametrize("module", sorted(m for m in product() if package_of(m) in WITHOUT_TORCH or m in WITHOUT_TORCH_FILES))
def test_file_does_not_lead_to_torch(module: str) -> None:
    """A decoding process, a reader of files and a store start in a moment; torch takes seconds and much memory."""
    assert not {name for name in reached(module) if name.split(".")[0] in {"torch", "torchvision", "streamlit"}}


def test_following_imports_finds_torch_where_it_is() -> None:
    assert "torch" in reached("engine.models.trained")
    assert "crossmodal.images.fetch" in reached("app")


def loaded_by(code: str) -> set[str]:
    """Packages in memory after running code in a process of its own."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    return {name.split(".")[0] for name in said.stdout.split()}


@pytest.mark.slow
def test_a_decoding_process_loads_no_torch() -> None:
    torchless = [module for module in modules() if package_of(module) in WITHOUT_TORCH or module in WITHOUT_TORCH_FILES]
    loaded = loaded_by("\n".join(f"import {module}" for module in torchless))
    assert "crossmodal" in loaded
    assert not loaded & {"torch", "torchvision", "streamlit", "pandas"}


@pytest.mark.slow
def test_assembling_the_app_loads_no_streamlit() -> None:
    loaded = loaded_by("import initialize")
    assert "torch" in loaded
    assert not loaded & {"streamlit", "pandas", "torchvision"}


def test_the_settings_load_nothing_slow() -> None:
    loaded = loaded_by("import config; config.read_settings()")
    assert "pydantic" in loaded
    assert not loaded & {"asyncio", "numpy", "pydantic_settings", "torch"}


def test_a_shell_that_asks_a_running_program_starts_with_little() -> None:
    loaded = loaded_by("import api.client")
    assert not loaded & {"asyncio", "fastapi", "numpy", "pydantic", "requests", "sqlite3", "starlette", "torch", "uvicorn"}
