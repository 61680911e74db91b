"""Our `datasets.py` bears the name of Hugging Face's package. Many people have both: neither may be taken for the other.

Nothing is installed for this: a folder on PYTHONPATH looks like their package, down to what `importlib.metadata` says of it.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[1]
ENCODER_LIBRARIES = ("sentence_transformers", "transformers", "open_clip", "timm")
METADATA = "Metadata-Version: 2.1\nName: datasets\nVersion: 5.2.0\nHome-page: https://github.com/huggingface/datasets\n"


@pytest.fixture
def their_packages(tmp_path: Path) -> Path:
    """Hugging Face's `datasets`, and libraries that would ask for it; importing any of these leaves a trace."""
    folder = tmp_path / "site"
    (folder / "datasets-5.2.0.dist-info").mkdir(parents=True)
    (folder / "datasets-5.2.0.dist-info" / "METADATA").write_text(METADATA)
    (folder / "datasets").mkdir()
    (folder / "datasets" / "__init__.py").write_text("__version__ = '5.2.0'\nclass Dataset:\n    theirs = True\n")
    for name in ENCODER_LIBRARIES:
        (folder / f"{name}.py").write_text("from datasets import Dataset\n")
    return folder


def run(arguments: list[str], theirs: Path, *, folder: Path = PROJECT) -> str:
    environment = {**os.environ, "PYTHONPATH": str(theirs), "PYTHONDONTWRITEBYTECODE": "1"}
    said = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


APP = (
    "import app_logic, encoders, initialize, system; from engine.models import trained; from engine import live, retraining, tasks"
)


def test_the_app_finds_its_own_datasets(their_packages: Path) -> None:
    script = f"""
        import importlib.metadata
        assert importlib.metadata.version("datasets") == "5.2.0"
        {APP}
        import datasets, sys
        assert datasets.LostFoundDataset is retraining.LostFoundDataset
        assert not set({ENCODER_LIBRARIES!r}) & set(sys.modules)
        print(datasets.__file__)
    """
    assert Path(run(["-c", textwrap.dedent(script)], their_packages).strip()) == PROJECT / "datasets.py"


def test_tests_find_it_too(their_packages: Path, tmp_path: Path) -> None:
    """The import mode of this project's tests would find theirs, were the project's folder not put before everything."""
    (tmp_path / "test_it.py").write_text(
        "def test_it():\n    from datasets import SimpleIndexDataset\n    import datasets\n    print(datasets)\n"
    )
    run(
        ["-m", "pytest", "-p", "no:cacheprovider", "-c", str(PROJECT / "pyproject.toml"), str(tmp_path / "test_it.py")],
        their_packages,
    )


def test_a_library_that_wants_theirs_gets_ours_here(their_packages: Path) -> None:
    """The hazard itself, and why the app imports no such library. What it gets is at least whole and drags no encoder in."""
    script = """
        import sentence_transformers
        assert not hasattr(sentence_transformers.Dataset, "theirs")
        import datasets, sys
        assert datasets.SimpleIndexDataset
        print(sorted({"encoders", "system", "torchvision"} & set(sys.modules)))
    """
    assert run(["-c", textwrap.dedent(script)], their_packages).strip() == "[]"


def test_where_theirs_comes_first_it_stays_whole(their_packages: Path, tmp_path: Path) -> None:
    """Another program on this computer, started elsewhere, gets theirs though our folder is on the path behind it."""
    script = (
        f"import sys; sys.path.append({str(PROJECT)!r}); import sentence_transformers, datasets; print(datasets.Dataset.theirs)"
    )
    assert run(["-c", script], their_packages, folder=tmp_path).strip() == "True"


SENTENCE_TRANSFORMERS = """
import importlib.metadata
try:
    home = importlib.metadata.metadata("datasets")["Home-page"]
except importlib.metadata.PackageNotFoundError:
    home = ""
if home == "https://github.com/huggingface/datasets":
    from datasets import Dataset, DatasetDict, IterableDataset
"""
"""How that library decides whether to ask for `datasets`: by what is installed, not by what would be imported."""

ENCODE = f"""
    {APP}
    from crossmodal.backbones.registry import image_backbone, text_backbone
    small = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    words = text_backbone("minilm-l6")(dict(small, vocab_size=64)).eval()
    print(tuple(words(["a red mug"]).values.shape))
    print(image_backbone("clip")(dict(small, image_size_px=32)).features)
    import datasets
    assert datasets.LostFoundDataset is retraining.LostFoundDataset
"""
BESIDE = """
    try:
        import sentence_transformers
        print("imported")
    except ImportError as error:
        print(f"cannot import {error.name}")
"""


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("installed", [True, False], ids=["datasets installed", "datasets absent"])
def test_the_transformers_work_beside_our_datasets(tmp_path: Path, installed: bool, order: str) -> None:
    """The true `transformers`, and that other library imported before or after, which itself may fail: that is its own matter.

    Until the other library is imported, "after" is the app alone.
    """
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sentence_transformers.py").write_text(SENTENCE_TRANSFORMERS)
    if installed:
        (folder / "datasets-5.2.0.dist-info").mkdir()
        (folder / "datasets-5.2.0.dist-info" / "METADATA").write_text(METADATA)
        (folder / "datasets").mkdir()
        (folder / "datasets" / "__init__.py").write_text(
            "class Dataset: pass\nclass DatasetDict: pass\nclass IterableDataset: pass\n"
        )
    script = BESIDE + ENCODE if order == "before" else ENCODE + BESIDE
    lines = run(["-W", "error", "-c", textwrap.dedent(script)], folder).splitlines()
    encoded, beside = ["(1, 5, 16)", "512"], ["cannot import datasets" if installed else "imported"]
    assert lines == (beside + encoded if order == "before" else encoded + beside)
