"""Maps of embeddings: PCA against the singular vectors, the others by what they promise; a missing package is a sentence."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from crossmodal.errors import QueryError
from crossmodal.evaluation.plots import BLUE, VERMILION
from crossmodal.evaluation.projections import project, visualize_embeddings
from tests.crossmodal.evaluation.pictures import drawn, shows

PROJECT = Path(__file__).resolve().parents[3]


def two_clumps(n: int, dim: int = 12) -> Tensor:
    rows = 0.1 * torch.randn(n, dim, generator=torch.Generator().manual_seed(n))
    rows[: n // 2, 0] += 1
    rows[n // 2 :, 1] += 1
    return functional.normalize(rows, dim=1)


def lines(figure: object) -> np.ndarray:
    [collection] = [c for c in figure.axes[0].collections if hasattr(c, "get_segments")]  # type: ignore[attr-defined]
    return np.array(collection.get_segments()).reshape(-1, 2, 2)


def test_pca_is_the_singular_vectors() -> None:
    rows = two_clumps(40).double()
    points, words = project(rows, "pca")
    centred = rows - rows.mean(dim=0)
    u, s, _ = torch.linalg.svd(centred, full_matrices=False)
    assert torch.allclose(points.abs(), (u[:, :2] * s[:2]).abs(), atol=1e-9)
    assert words == f"{100 * float(s[:2].square().sum() / s.square().sum()):.0f} % of the variance"


@pytest.mark.parametrize("rows", [torch.ones(3, 5), torch.ones(2, 1), torch.eye(2)])
def test_pca_of_hardly_anything(rows: Tensor) -> None:
    points, _ = project(rows, "pca")
    assert points.shape == (len(rows), 2)
    assert bool(points.isfinite().all())


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 3, 40])
def test_tsne_repeats_itself_and_keeps_neighbours(n: int) -> None:
    points, _ = project(two_clumps(n), "tsne", seed=1)
    assert torch.equal(points, project(two_clumps(n), "tsne", seed=1)[0])
    if n > 3:
        near = torch.cdist(points, points).fill_diagonal_(torch.inf).argmin(dim=1)
        assert float(((near < n // 2) == (torch.arange(n) < n // 2)).double().mean()) > 0.9


@pytest.mark.slow
def test_umap_gives_a_point_for_each_embedding() -> None:
    """In a process of its own, where numba compiles nothing: that would take longer than the map."""
    script = (
        "from tests.crossmodal.evaluation.test_projections import two_clumps\nfrom crossmodal.evaluation.projections import project\n"
        "for n in (2, 5, 14):\n"
        "    points, words = project(two_clumps(n), 'umap', seed=1)\n"
        "    assert points.shape == (n, 2) and bool(points.isfinite().all()), points\n"
        "print(words)"
    )
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "OMP_NUM_THREADS": "1"}
    said = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=240, env=environment)
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip() == "cosine, 13 neighbours"


def test_every_text_is_joined_to_its_picture(tmp_path: Path) -> None:
    images, texts = two_clumps(6), two_clumps(9)
    owner = torch.tensor([5, 0, 0, 3, 1, 1, 1, 4, 2])
    path = tmp_path / "maps" / "pca.png"
    figure = visualize_embeddings(images, texts, "pca", path, image_of_text=owner)
    assert path.read_bytes().startswith(b"\x89PNG")
    points, _ = project(torch.cat((images, texts)), "pca")
    expected = torch.stack((points[:6][owner], points[6:]), dim=1).numpy()
    assert np.allclose(lines(figure), expected, atol=1e-6)
    assert min(shows(drawn(figure), colour) for colour in (BLUE, VERMILION)) > 100


def test_beyond_so_many_a_sample_with_its_texts_is_drawn_and_said() -> None:
    figure = visualize_embeddings(two_clumps(20), two_clumps(40), "pca", max_images=5)
    assert len(lines(figure)) == 10
    assert figure.axes[0].get_title(loc="left").endswith("5 of 20 pictures")


def test_broken_embeddings_are_left_out() -> None:
    images, texts = two_clumps(4), two_clumps(8)
    images[1, 0] = texts[7, 2] = torch.nan
    assert len(lines(visualize_embeddings(images, texts, "pca"))) == 5


def test_an_unknown_method_and_a_missing_package_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QueryError, match="no method 'isomap'") as caught:
        visualize_embeddings(torch.eye(3), torch.eye(3), "isomap")
    assert "umap, tsne, pca" in caught.value.remedy
    for method, module in (("umap", "umap"), ("tsne", "sklearn.manifold")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(QueryError) as caught:
            visualize_embeddings(torch.eye(3), torch.eye(3), method)
        assert caught.value.code == "package_missing"
        assert "pip install scikit-learn umap-learn" in caught.value.remedy
    visualize_embeddings(torch.eye(3), torch.eye(3), "pca")


@pytest.mark.parametrize(
    ("images", "texts", "message"),
    [
        (torch.eye(3), torch.ones(3, 2), "embeddings must be"),
        (torch.eye(3), torch.eye(4)[:, :3], "cannot be divided evenly"),
        (torch.zeros(0, 3), torch.zeros(0, 3), "cannot be divided evenly"),
        (torch.full((2, 3), torch.nan), torch.eye(3)[:2], "at least two"),
    ],
)
def test_what_does_not_fit_is_refused(images: Tensor, texts: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        visualize_embeddings(images, texts, "pca")
