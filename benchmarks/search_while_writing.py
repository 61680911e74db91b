"""Searches while other threads add and remove items, compared with the same searches alone.

    python -m benchmarks.search_while_writing

Several threads search a collection continuously, first alone, then while others add and remove items. Every result is checked: an item
searched by its own embedding must be found, with its own words and picture. A new item must be found by the next search.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.indexes.synced import SyncedIndex
from crossmodal.store import Store

BAR = 2.0
EMBED_DIM = 256
NEW = 10**6


class Desk:
    """A collection of `items` items, and the faults that its threads report."""

    def __init__(self, folder: Path, items: int) -> None:
        self.store = Store(folder / "catalog.sqlite3")
        for start in range(0, items, 500):
            entries = [made_up_item(number, embed_dim=EMBED_DIM) for number in range(start, min(start + 500, items))]
            self.store.items.add_many(entries, model_id=MODEL_ID)
        self.index = SyncedIndex(self.store, MODEL_ID, embed_dim=EMBED_DIM, path=folder / "image_features.pt")
        self.items = items
        self.stop = threading.Event()
        self.search_ms: list[float] = []
        self.written = 0
        self.problems: list[str] = []

    def search(self, seed: int) -> None:
        """Search for items that are never removed, until stopped."""
        random = np.random.default_rng(seed)
        while not self.stop.is_set():
            entry = made_up_item(int(random.integers(self.items)), embed_dim=EMBED_DIM)
            began = time.perf_counter()
            hits = self.index.search(entry.embedding[None], 20)[0]
            found = self.store.items.get_many([item_id for item_id, _ in hits])
            self.search_ms.append(1e3 * (time.perf_counter() - began))
            if found[0].title != entry.title or self.store.pictures.rendition(found[0].item_id) != entry.picture.rendition:
                self.problems.append(f"searching for {entry.title!r} found {found[0].title!r}")

    def write(self, writer: int) -> None:
        """Add items, find each at once, and remove every other one."""
        number = NEW * (writer + 1)
        while not self.stop.is_set():
            entry = made_up_item(number, embed_dim=EMBED_DIM)
            item, _ = self.store.items.add(entry, model_id=MODEL_ID)
            if self.index.search(entry.embedding[None], 1)[0][0][0] != item.item_id:
                self.problems.append(f"{entry.title!r} was added but not found")
            if number % 2:
                self.store.items.remove([item.item_id])
            number, self.written = number + 1, self.written + 1

    def run(self, seconds: float, *, searchers: int, writers: int) -> np.ndarray:
        """Times of all searches of a phase, in milliseconds."""
        self.search_ms, self.stop = [], threading.Event()
        threads = [threading.Thread(target=self.search, args=(seed,)) for seed in range(searchers)]
        threads += [threading.Thread(target=self.write, args=(writer,)) for writer in range(writers)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.stop.set()
        for thread in threads:
            thread.join()
        return np.array(self.search_ms)


def main() -> int:
    """Run the benchmark; exits with 1 for a wrong result or a missed bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each of the two phases")
    parser.add_argument("--searchers", type=int, default=8)
    parser.add_argument("--writers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), options.items)
        desk.run(1.0, searchers=options.searchers, writers=0)
        alone = desk.run(options.seconds, searchers=options.searchers, writers=0)
        beside = desk.run(options.seconds, searchers=options.searchers, writers=options.writers)
        desk.store.close()
    print(f"{'':<16}{'searches':>10}{'p50 ms':>9}{'p99 ms':>9}")
    for name, times in (("alone", alone), ("beside writers", beside)):
        print(f"{name:<16}{len(times):>10}{np.percentile(times, 50):>9.2f}{np.percentile(times, 99):>9.2f}")
    ratio = float(np.percentile(beside, 99) / np.percentile(alone, 99))
    print(f"p99 beside writers over p99 alone: {ratio:.2f}; the bar is {BAR}")
    print(f"{desk.written} items written, {len(desk.problems)} wrong answers")
    print("\n".join(desk.problems[:5]))
    return 0 if ratio <= BAR and not desk.problems else 1


if __name__ == "__main__":
    sys.exit(main())
