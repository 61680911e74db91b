"""Memory and time of an evaluation whose score matrix would not fit in memory, and its metrics against the full matrix on a subset.

    python -m benchmarks.evaluation_memory

Pictures are random directions and texts are close to theirs, so that ranks range from 1 to many thousands. The bars: 2 GB peak memory of
the whole process, and metrics equal to 1e-5 on the subset.
"""

import argparse
import resource
import sys
import time

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.full_matrix import full_matrix_figures
from crossmodal.evaluation.evaluator import evaluate_bidirectional_retrieval, print_metrics

BAR_GB = 2.0
BAR_DIFFERENCE = 1e-5


def made_up(images: int, texts_per_image: int, embed_dim: int, *, noise: float = 6.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(n, d) and (n · texts, d) float32 of length 1; a text is its picture plus `noise` times a random direction."""
    generator = torch.Generator().manual_seed(seed)
    pictures = functional.normalize(torch.randn(images, embed_dim, generator=generator), dim=1)
    texts = torch.randn(images * texts_per_image, embed_dim, generator=generator)
    texts.mul_(noise / embed_dim**0.5).view(images, texts_per_image, embed_dim).add_(pictures[:, None])
    return pictures, functional.normalize(texts, dim=1)


def difference(images: Tensor, texts: Tensor, texts_per_image: int) -> float:
    """The largest relative difference of any metric from that of the full matrix."""
    result = evaluate_bidirectional_retrieval(images, texts, resamples=0)
    relevant = torch.arange(len(images))[:, None] == torch.arange(len(texts))[None, :] // texts_per_image
    worst = 0.0
    for direction, expected in (
        (result.text_to_image, full_matrix_figures(texts, images, relevant.T)),
        (result.image_to_text, full_matrix_figures(images, texts, relevant)),
    ):
        for name, figure in direction.named().items():
            worst = max(worst, abs(figure.value - expected[name]) / max(expected[name], 1e-12))
    return worst


def peak_gb() -> float:
    """Peak memory of this process in units of 10⁹ bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def main() -> int:
    """Run the benchmark; exits with 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--texts-per-image", type=int, default=5)
    parser.add_argument("--embed-dim", type=int, default=512)
    options = parser.parse_args()
    images, texts = made_up(options.images, options.texts_per_image, options.embed_dim)
    before = peak_gb()
    began = time.perf_counter()
    result = evaluate_bidirectional_retrieval(images, texts)
    took, peak = time.perf_counter() - began, peak_gb()
    print_metrics(result)
    part = max(options.images // 10, 1)
    apart = difference(images[:part], texts[: part * options.texts_per_image], options.texts_per_image)
    print(
        f"\n{len(images):,} × {len(texts):,}, {options.embed_dim}-d: {took:.0f} s, both ways, on {torch.get_num_threads()} threads"
    )
    print(f"peak memory {peak:.2f} GB (before: {before:.2f} GB with the embeddings); the bar is {BAR_GB} GB")
    print(f"largest difference from the full matrix on {part:,} × {part * options.texts_per_image:,}: {apart:.1e}")
    return 0 if peak <= BAR_GB and apart <= BAR_DIFFERENCE else 1


if __name__ == "__main__":
    sys.exit(main())
