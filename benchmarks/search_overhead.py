"""A text search from words to items, compared with the bare matrix product and `topk` on the same embeddings.

    python -m benchmarks.search_overhead

The search includes everything inside the process: encoding the text, checking the collection for changes, the exact index, and reading
the found items. The baseline is `torch.topk(query @ embeddings.T, top_k)` alone, on one thread, as in the index. Both are measured in
turn, query by query.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.made_up import MODEL_ID
from benchmarks.made_up_store import filled
from crossmodal.indexes.synced import SyncedIndex
from crossmodal.runtimes.torch import torch_threads
from engine.models.spec import ModelSpec
from engine.models.trained import build_untrained

BAR_MS = 5.0
Encode = Callable[[str], torch.Tensor]
"""Encode a text. Shape: (1, embed_dim), unit length."""


@dataclass(frozen=True)
class Overhead:
    """Times in milliseconds, one of each kind per query."""

    search_ms: list[float]
    bare_ms: list[float]

    @property
    def median_ms(self) -> float:
        """Median of the search minus median of the bare product, in milliseconds."""
        return float(np.median(self.search_ms) - np.median(self.bare_ms))


def measure(
    encode: Encode, folder: Path, *, items: int = 100_000, embed_dim: int = 256, top_k: int = 20, queries: int = 100
) -> Overhead:
    """Fill a collection in `folder` and run `queries` searches both ways."""
    with filled(folder / "catalog.sqlite3", items, embed_dim, picture_bytes=64) as store:
        index = SyncedIndex(store, MODEL_ID, embed_dim=embed_dim, path=folder / "image_features.pt")
        rows = torch.from_numpy(store.changes.since(MODEL_ID).embeddings)

        def search(text: str) -> list[int]:
            hits = index.search(encode(text), top_k)[0]
            return [item.item_id for item in store.items.get_many([item_id for item_id, _ in hits])]

        def bare(text: str) -> list[int]:
            query = encode(text)
            began = time.perf_counter()
            with torch_threads(1):
                found = torch.topk(query @ rows.T, top_k).indices
            bare_ms.append(1e3 * (time.perf_counter() - began))
            return (found[0] + 1).tolist()

        search_ms: list[float] = []
        bare_ms: list[float] = []
        for number in range(-5, queries):
            text = f"red striped mug {number}"
            expected = bare(text)
            began = time.perf_counter()
            found = search(text)
            search_ms.append(1e3 * (time.perf_counter() - began))
            if set(found) != set(expected):
                raise RuntimeError(f"the index and the bare product disagree about {text!r}")
        return Overhead(search_ms[5:], bare_ms[5:])


def real_encode(embed_dim: int) -> Encode:
    """The product's text encoder, untrained; as fast as a trained one."""
    spec = ModelSpec(embed_dim=embed_dim, vocab_size=16_384, max_text_tokens=32, image_size_px=64)
    encoder = build_untrained(spec).eval()

    def encode(text: str) -> torch.Tensor:
        with torch.inference_mode(), torch_threads(1):
            return encoder.encode_text([text])

    return encode


def report(overhead: Overhead) -> str:
    """Print the table and the ratio."""
    lines = [f"{'':<26}{'p50 ms':>9}{'p90 ms':>9}"]
    for name, times in (("search, words to items", overhead.search_ms), ("bare product and topk", overhead.bare_ms)):
        p50, p90 = np.percentile(times, (50, 90))
        lines.append(f"{name:<26}{p50:>9.2f}{p90:>9.2f}")
    ratio = float(np.median(overhead.search_ms) / np.median(overhead.bare_ms))
    return "\n".join([*lines, f"overhead at the median: {overhead.median_ms:.2f} ms (x {ratio:.2f}); the bar is {BAR_MS} ms"])


def main() -> int:
    """Run the benchmark; exits with 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--embed-dim", type=int, default=256)
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        encode = real_encode(options.embed_dim)
        overhead = measure(encode, Path(folder), items=options.items, embed_dim=options.embed_dim, queries=options.queries)
    print(report(overhead))
    return 0 if overhead.median_ms <= BAR_MS else 1


if __name__ == "__main__":
    sys.exit(main())
