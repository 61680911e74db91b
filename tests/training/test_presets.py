"""Every preset with random weights: built, trained for an epoch, saved, loaded in a new process with identical answers, searched with."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from crossmodal.errors import QueryError
from engine.models.loading import load_model
from engine.models.train import TrainingReport
from tests.training.parts import drawn_data, small, small_run
from training.presets import PRESETS, growing_sizes, preset_named

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
TEXTS = ["red disc", "a bar in blue", "something else entirely", ""]

ANSWER = """
import sys
import numpy as np
from pathlib import Path
from tests.training.parts import drawn_data
from tests.training.test_presets import TEXTS
from engine.models.loading import load_model
pixels = drawn_data().pixels[:8]
for path in map(Path, sys.argv[1:]):
    model = load_model(path)
    np.savez(path.with_suffix(".npz"), texts=model.encode_texts(TEXTS), pixels=model.encode_pixels(pixels), id=model.model_id)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, TrainingReport]]:
    """One small run of every preset; a new process then answers with what they saved."""
    made = {}
    for name in PRESETS:
        folder = tmp_path_factory.mktemp("runs")
        made[name] = (folder / "run", small_run(name, folder, drawn_data()))
    paths = [str(folder / "model.pth") for folder, _ in made.values()]
    subprocess.run([sys.executable, "-c", ANSWER, *paths], cwd=PROJECT, check=True, timeout=250)
    return made


@pytest.mark.parametrize("name", PRESETS)
def test_a_new_process_answers_identically(runs: dict[str, tuple[Path, TrainingReport]], name: str) -> None:
    folder, report = runs[name]
    with np.load(folder / "model.npz") as there:
        assert np.array_equal(there["texts"], report.model.encode_texts(TEXTS))
        assert np.allclose(there["pixels"], report.model.encode_pixels(drawn_data().pixels[:8]), atol=1e-6)
        assert str(there["id"]) == report.model.model_id


@pytest.mark.parametrize("name", PRESETS)
def test_a_run_leaves_what_it_says(runs: dict[str, tuple[Path, TrainingReport]], name: str) -> None:
    folder, report = runs[name]
    wanted = {"settings.json", "versions.json", "data.json", "history.jsonl", "best.pt", "last.pt", "model.pth"}
    wanted |= {"evaluation.json", "evaluation.md", "evaluation.html"}
    assert wanted <= {path.name for path in folder.iterdir()}
    assert report.result.text_to_image.queries == 16  # two captions of eight pictures
    assert len(report.model.card.history) == 1
    assert report.model.card.held_out is not None
    model = load_model(folder / "model.pth")
    scores = (
        model.encode_texts(["red disc"]) @ model.encode_items(drawn_data().pixels, [texts[0] for texts in drawn_data().captions]).T
    )
    assert np.isfinite(scores).all()
    assert scores.shape == (1, 64)


def test_training_changes_what_learns_and_nothing_else(runs: dict[str, tuple[Path, TrainingReport]]) -> None:
    before, after = small("mobilenet-minilm").system.state_dict(), runs["mobilenet-minilm"][1].model.system.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    recipe = PRESETS["mobilenet-minilm"].recipe
    assert any(name.startswith("image_encoder.head.") for name in changed)
    assert any("text_encoder.backbone" in name for name in changed) == bool(recipe.text_blocks)
    assert not any("embeddings" in name for name in changed)


def test_other_clips_by_name_and_unknown_names() -> None:
    preset = preset_named("clip:google/siglip-base-patch16-224")
    assert preset.image.backbone == preset.text.backbone == preset.name
    with pytest.raises(QueryError, match="no preset called 'mobilenet-minilmm'") as caught:
        preset_named("mobilenet-minilmm")
    assert caught.value.remedy.startswith("Known are: mobilenet-minilm,")


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [(1, [64]), (3, [64] * 3), (4, [32, 48, 64, 64]), (5, [32, 48, 64, 64, 64]), (12, [32] * 3 + [48] * 3 + [64] * 6)],
)
def test_pictures_grow(epochs: int, expected: list[int]) -> None:
    assert growing_sizes(64, epochs) == expected
