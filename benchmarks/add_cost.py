"""Cost of one durable addition as the collection grows, compared with rewriting everything.

    python -m benchmarks.add_cost

Ours is `Store.items.add` (one transaction, durable when it returns) plus updating the index, so that the item is searchable. The baseline
adds as the reference system did: `torch.cat`, then `torch.save` of all embeddings and a rewrite of all metadata, without waiting for the
disk. The sizes are measured in turn, so that a varying load of the machine affects all of them.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.made_up import MODEL_ID, made_up_embeddings
from benchmarks.made_up_store import entry_of, filled
from crossmodal.indexes.synced import SyncedIndex

SIZES = (1_000, 10_000, 100_000)
BAR = 1.5


def timed_ms(work: Callable[[], object]) -> float:
    """Milliseconds that one call takes."""
    began = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - began)


def ours_ms(folder: Path, *, sizes: tuple[int, ...], embed_dim: int, adds: int, picture_bytes: int) -> dict[int, list[float]]:
    """Milliseconds of `adds` additions at each size."""
    stores = {size: filled(folder / f"{size}.sqlite3", size, embed_dim, picture_bytes=picture_bytes) for size in sizes}
    indexes = {size: SyncedIndex(stores[size], MODEL_ID, embed_dim=embed_dim, path=folder / f"{size}.pt") for size in sizes}
    rows = made_up_embeddings(adds, embed_dim, seed=1)
    times: dict[int, list[float]] = {size: [] for size in sizes}
    for turn in range(adds):
        for size in sizes:
            entry = entry_of(size + turn, rows[turn], picture_bytes=picture_bytes)

            def add(size: int = size, entry: object = entry) -> None:
                stores[size].items.add(entry, model_id=MODEL_ID)
                indexes[size].refresh()

            times[size].append(timed_ms(add))
    for size in sizes:
        if len(indexes[size]) != size + adds:
            raise RuntimeError("an item that was added is not in the index")
        stores[size].close()
    return times


def baseline_ms(folder: Path, *, sizes: tuple[int, ...], embed_dim: int, adds: int) -> dict[int, list[float]]:
    """Milliseconds of `adds` additions at each size, each of which rewrites everything."""
    times: dict[int, list[float]] = {}
    for size in sizes:
        state = {"rows": torch.from_numpy(made_up_embeddings(size, embed_dim))}
        metadata = [
            {"title": f"red striped mug number {number}", "imgUrl": f"https://example.org/{number}.jpg"} for number in range(size)
        ]

        def add(state: dict[str, torch.Tensor] = state, metadata: list[dict[str, str]] = metadata) -> None:
            state["rows"] = torch.cat([state["rows"], state["rows"][:1]])
            metadata.append(metadata[0])
            torch.save(state["rows"], folder / "rows.pt")
            (folder / "metadata.json").write_text(json.dumps(metadata))

        times[size] = [timed_ms(add) for _ in range(adds)]
    return times


def main() -> int:
    """Run the benchmark; exits with 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adds", type=int, default=300, help="adds measured at each size")
    parser.add_argument("--embed-dim", type=int, default=256)
    parser.add_argument("--picture-bytes", type=int, default=2_000)
    parser.add_argument("--folder", type=Path, help="where to write: a real disk, not a RAM disk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        baseline = baseline_ms(folder, sizes=SIZES, embed_dim=options.embed_dim, adds=5)
        ours = ours_ms(folder, sizes=SIZES, embed_dim=options.embed_dim, adds=options.adds, picture_bytes=options.picture_bytes)
    print(f"{'items':>8}{'ours p50 ms':>14}{'mean':>8}{'p95':>8}{'baseline p50 ms':>18}{'baseline / ours':>18}")
    for size in SIZES:
        p50, p95 = np.percentile(ours[size], (50, 95))
        base = float(np.median(baseline[size]))
        print(f"{size:>8}{p50:>14.2f}{np.mean(ours[size]):>8.2f}{p95:>8.2f}{base:>18.2f}{base / p50:>18.1f}")
    medians = float(np.median(ours[SIZES[-1]]) / np.median(ours[SIZES[0]]))
    means = float(np.mean(ours[SIZES[-1]]) / np.mean(ours[SIZES[0]]))
    print(f"cost at {SIZES[-1]:,} over cost at {SIZES[0]:,}: {medians:.2f} (median), {means:.2f} (mean); the bar is {BAR}")
    print(f"the same for the baseline: {np.median(baseline[SIZES[-1]]) / np.median(baseline[SIZES[0]]):.1f}")
    return 0 if medians <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
