"""Plot embeddings of pictures and texts in two dimensions, with pairs joined."""

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from crossmodal.errors import QueryError
from crossmodal.evaluation.plots import BLUE, GREY, VERMILION, new_figure, save, style

Method = Literal["umap", "tsne", "pca"]
METHODS: tuple[Method, ...] = ("umap", "tsne", "pca")
_NAMES = {"umap": "UMAP", "tsne": "t-SNE", "pca": "PCA"}


def visualize_embeddings(
    image_embeddings: Tensor,
    text_embeddings: Tensor,
    method: str = "umap",
    save_path: str | Path | None = None,
    *,
    image_of_text: Tensor | None = None,
    max_images: int = 300,
    seed: int = 0,
) -> Figure:
    """Plot pictures and texts in one plane, each text joined to its picture.

    Distances are a hint, not a measurement: UMAP and t-SNE preserve neighbours, not distances (McInnes et al. 2018; van der
    Maaten & Hinton 2008). PCA is a linear projection; the title gives its share of the variance.

    Args:
        image_embeddings: (n, d); text_embeddings: (m, d); normalised to unit length.
        method: `umap`, `tsne` or `pca`; only `pca` needs no extra package.
        save_path: PNG file to write.
        image_of_text: (m,) int64, the picture of each text; None: m / n texts per picture, in order.
        max_images: if there are more pictures, a random sample (by `seed`) is plotted with its texts.

    Raises:
        QueryError: `bad_request` for an unknown method; `package_missing` if its package is not installed.
        StoreError: `save_path` cannot be written.
        ValueError: the shapes do not match, or fewer than two embeddings are finite.
    """
    if method not in METHODS:
        raise QueryError("bad_request", f"There is no method {method!r}.", remedy=f"Choose one of {', '.join(METHODS)}.")
    images, texts, of_text, shown_of = _chosen(image_embeddings, text_embeddings, image_of_text, max_images, seed)
    both = torch.cat((images, texts))
    if len(both) < 2:
        raise ValueError(f"need at least two finite embeddings to plot, not {len(both)}")
    points, words = project(both, method, seed=seed)
    figure = _drawn(points[: len(images)], points[len(images) :], of_text, f"{_NAMES[method]}: {words}{shown_of}")
    if save_path is not None:
        save(figure, Path(save_path))
    return figure


def project(embeddings: Tensor, method: str, *, seed: int = 0) -> tuple[Tensor, str]:
    """Project (n, d), n ≥ 2, to (n, 2) float64; also returns a short description. Raises as `visualize_embeddings`."""
    match method:
        case "pca":
            return _pca(embeddings)
        case "tsne":
            return _tsne(embeddings, seed)
        case _:
            return _umap(embeddings, seed)


def _pca(embeddings: Tensor) -> tuple[Tensor, str]:
    centred = embeddings.double() - embeddings.double().mean(dim=0)
    strengths, directions = torch.linalg.eigh(centred.T @ centred)
    strengths, axes = strengths.flip(0), directions.flip(1)[:, :2]
    axes = axes * torch.where(
        axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)) < 0, -1.0, 1.0
    )  # makes the signs deterministic
    points = functional.pad(centred @ axes, (0, 2 - axes.shape[1]))
    total = float(strengths.clamp(min=0).sum())
    share = float(strengths[:2].clamp(min=0).sum()) / total if total > 0 else 1.0
    return points, f"{100 * share:.0f} % of the variance"


def _tsne(embeddings: Tensor, seed: int) -> tuple[Tensor, str]:
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise _missing("tsne", "scikit-learn") from error
    perplexity = min(30.0, max((len(embeddings) - 1) / 3, 0.5))
    reducer = TSNE(perplexity=perplexity, metric="cosine", init="random", random_state=seed)
    points = reducer.fit_transform(embeddings.numpy())
    return torch.from_numpy(np.asarray(points, dtype=np.float64)), f"cosine, perplexity {perplexity:.0f}"


def _umap(embeddings: Tensor, seed: int) -> tuple[Tensor, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ImportWarning
            )  # umap warns that Tensorflow is missing, which only its parametric variant needs
            from umap import UMAP
    except ImportError as error:
        raise _missing("umap", "umap-learn") from error
    neighbours = max(min(15, len(embeddings) - 1), 2)
    if len(embeddings) <= 4:  # too few for UMAP's default initialisation
        return _pca(embeddings)
    reducer = UMAP(n_neighbors=neighbours, metric="cosine", init="random", random_state=seed, n_jobs=1)
    points = reducer.fit_transform(embeddings.numpy())
    return torch.from_numpy(np.asarray(points, dtype=np.float64)), f"cosine, {neighbours} neighbours"


def _missing(method: str, package: str) -> QueryError:
    return QueryError(
        "package_missing",
        f"The method {method} needs the package {package}, which is not installed.",
        remedy="Run: python -m pip install scikit-learn umap-learn (or choose the method pca).",
    )


def _chosen(
    images: Tensor, texts: Tensor, image_of_text: Tensor | None, most: int, seed: int
) -> tuple[Tensor, Tensor, Tensor, str]:
    """The pictures to plot, their texts, the picture of each text, and a note if not all pictures are plotted."""
    n, m = len(images), len(texts)
    if images.ndim != 2 or texts.ndim != 2 or images.shape[1] != texts.shape[1]:
        raise ValueError(f"embeddings must be (n, d) and (m, d), not {tuple(images.shape)} and {tuple(texts.shape)}")
    if image_of_text is None:
        if n == 0 or m % n:
            raise ValueError(f"{m} texts cannot be divided evenly among {n} pictures: pass image_of_text")
        image_of_text = torch.arange(n).repeat_interleave(m // n)
    images, texts = (functional.normalize(side.detach().cpu().float(), dim=1) for side in (images, texts))
    keep = images.isfinite().all(dim=1).nonzero().flatten()
    if len(keep) > most:
        keep = keep[torch.randperm(len(keep), generator=torch.Generator().manual_seed(seed))[:most].sort().values]
    place = torch.full((n,), -1).index_copy_(0, keep, torch.arange(len(keep)))
    of_text = place[image_of_text.cpu()]
    drawn = (of_text >= 0) & texts.isfinite().all(dim=1)
    return images[keep], texts[drawn], of_text[drawn], f", {len(keep):,} of {n:,} pictures" if len(keep) < n else ""


def _drawn(images: Tensor, texts: Tensor, of_text: Tensor, title: str) -> Figure:
    with style():
        figure, [axis] = new_figure(7.5, 6.4)
        joined = torch.stack((images[of_text], texts), dim=1).numpy()
        axis.add_collection(LineCollection(list(joined), colors=GREY, linewidths=0.5, alpha=0.45, zorder=1))
        looks = ((texts, VERMILION, "^", 14, "texts"), (images, BLUE, "o", 26, "pictures"))
        for points, colour, marker, size, name in looks:
            words = f"{name} ({len(points):,})"
            axis.scatter(
                points[:, 0], points[:, 1], s=size, c=colour, marker=marker, linewidths=0.3, edgecolors="white", label=words
            )
        axis.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
        axis.spines[:].set_visible(False)
        axis.set_title(title)
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2)
        return figure
