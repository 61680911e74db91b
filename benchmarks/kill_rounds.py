"""Kill writers with SIGKILL while they add items; no acknowledged item may be lost or changed.

    python -m benchmarks.kill_rounds --rounds 300

Each round starts writers on one collection. A writer adds items generated from numbers and writes their numbers to a pipe after `add` has
returned. After a random time all are killed. Then the collection is opened and compared byte by byte with what the numbers generate: every
acknowledged item has its own words, picture and embedding, and is its own nearest neighbour; an unacknowledged transaction is either
complete or absent. Killing a process does not simulate a power cut.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.store import Store

WRITER_RANGE = 10**9
LARGE_BATCH = 5
_PROJECT = Path(__file__).resolve().parents[1]


@dataclass
class Report:
    """Results.

    Attributes:
        acknowledged, unacknowledged: items found, with and without an acknowledgement by their writer.
        lost: numbers of acknowledged items that are missing.
        wrong: one sentence for each item that differs from what was written.
        reopen_ms: time to open the collection and count it after each round.
    """

    rounds: int = 0
    kills: int = 0
    acknowledged: int = 0
    unacknowledged: int = 0
    lost: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    reopen_ms: list[float] = field(default_factory=list)

    @property
    def table(self) -> str:
        """The results, one per line."""
        reopen = np.array(self.reopen_ms or [0.0])
        rows = {
            "rounds": self.rounds,
            "writers killed": self.kills,
            "items acknowledged": self.acknowledged,
            "items found unacknowledged, whole": self.unacknowledged,
            "items lost": len(self.lost),
            "items wrong": len(self.wrong),
            "reopen p50 ms": f"{np.percentile(reopen, 50):.1f}",
            "reopen p99 ms": f"{np.percentile(reopen, 99):.1f}",
        }
        return "\n".join([*(f"{name:<36}{value:>10}" for name, value in rows.items()), *self.wrong[:10]])


def transactions(start: int) -> Iterable[list[int]]:
    """Endless work of a writer: single items, and sometimes several in one transaction."""
    number = start
    while True:
        size = LARGE_BATCH if number % 8 == 0 else 1
        yield list(range(number, number + size))
        number += size


def write_until_killed(path: Path, start: int) -> None:
    """Main function of a writer process."""
    with Store(path) as store:
        sys.stdout.write("[]\n")
        sys.stdout.flush()
        for numbers in transactions(start):
            entries = [made_up_item(number) for number in numbers]
            if len(entries) == 1:
                store.items.add(entries[0], model_id=MODEL_ID)
            else:
                store.items.add_many(entries, model_id=MODEL_ID)
            sys.stdout.write(json.dumps(numbers) + "\n")
            sys.stdout.flush()


def run_rounds(
    path: Path,
    rounds: int,
    *,
    writers: int = 2,
    seed: int = 0,
    longest_s: float = 0.12,
    full_check_every: int = 25,
    acknowledged_first: int = 0,
) -> Report:
    """Kill writers `rounds` times and compare: the newest items in every round, all items in every `full_check_every`-th.

    In every second round, beginning with the first, the time to the kill starts only when each writer has acknowledged
    `acknowledged_first` transactions: on a busy machine a writer may otherwise never get to its first.
    """
    report, chance = Report(), random.Random(seed)
    next_numbers = [1 + writer * WRITER_RANGE for writer in range(writers)]
    expected: set[int] = set()
    for number in range(1, rounds + 1):
        acknowledged = _one_round(path, next_numbers, chance.uniform(0, longest_s), acknowledged_first if number % 2 else 0)
        report.rounds, report.kills = number, report.kills + writers
        new = _compare(path, acknowledged, next_numbers, expected, report)
        report.acknowledged += sum(map(len, acknowledged))
        report.unacknowledged += len(new) - sum(map(len, acknowledged))
        expected |= new
        next_numbers = [
            max([start - 1, *(n for n in new if n // WRITER_RANGE == writer)]) + 1 for writer, start in enumerate(next_numbers)
        ]
        _check_items(path, expected if number % full_check_every == 0 or number == rounds else new, report)
    return report


def _one_round(path: Path, starts: list[int], delay_s: float, acknowledged_first: int) -> list[list[int]]:
    """The numbers that each writer acknowledged before it was killed."""
    command = [sys.executable, "-m", "benchmarks.kill_rounds", "--write", str(path), "--start"]
    # Unbuffered: `communicate` would not see what `readline` has read ahead.
    processes = [
        subprocess.Popen([*command, str(start)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, cwd=_PROJECT)
        for start in starts
    ]
    for process in processes:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if ready != b"[]\n":
            raise RuntimeError(f"a writer did not start: {process.communicate()[1]!r}")
    read = [b"".join(process.stdout.readline() for _ in range(acknowledged_first)) for process in processes if process.stdout]
    time.sleep(delay_s)
    for process in processes:
        process.send_signal(signal.SIGKILL)
    outputs = [process.communicate() for process in processes]
    for process, (_, errors) in zip(processes, outputs, strict=True):
        if process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"a writer ended by itself: {errors!r}")
    # An incomplete line is not an acknowledgement.
    return [
        [number for line in (before + after).splitlines(keepends=True) if line.endswith(b"]\n") for number in json.loads(line)]
        for before, (after, _) in zip(read, outputs, strict=True)
    ]


def _compare(path: Path, acknowledged: list[list[int]], starts: list[int], expected: set[int], report: Report) -> set[int]:
    """The numbers of new items, after checking that they are exactly those that may exist."""
    began = time.perf_counter()
    with Store(path) as store:
        count = store.items.count()
        report.reopen_ms.append(1e3 * (time.perf_counter() - began))
        candidates: set[int] = set()
        for start, numbers in zip(starts, acknowledged, strict=True):
            begun = max([start - 1, *numbers]) + 1
            # The transaction that was running when the writer died may be there, complete.
            at_work = next(iter(transactions(begun)))
            candidates |= {*numbers, *at_work}
            held = store.items.known([made_up_item(number).key for number in at_work])
            if 0 < len(held) < len(at_work):
                report.wrong.append(f"of the transaction {at_work} only {len(held)} items are there")
        known = store.items.known([made_up_item(number).key for number in candidates])
        found = {number for number in candidates if f"made up {number}" in known}
        report.lost += sorted({number for numbers in acknowledged for number in numbers} - found)
        if count != len(expected) + len(found):
            report.wrong.append(f"{count} items are there instead of {len(expected) + len(found)}")
    return found


def _check_items(path: Path, numbers: Iterable[int], report: Report) -> None:
    """Check the words, picture and embedding of every item, and that it is its own nearest neighbour."""
    from crossmodal.indexes.synced import SyncedIndex

    with Store(path) as store:
        entries = {number: made_up_item(number) for number in sorted(numbers)}
        if not entries:
            return
        known = store.items.known([entry.key for entry in entries.values()])
        index = SyncedIndex(store, MODEL_ID, embed_dim=len(next(iter(entries.values())).embedding), path=path.with_suffix(".pt"))
        hits = index.search(np.stack([entry.embedding for entry in entries.values()]), 1)
        for (number, entry), (best,) in zip(entries.items(), hits, strict=True):
            if entry.key not in known:
                report.lost.append(number)
                continue
            item = known[entry.key].item
            written = (
                entry.title,
                entry.source,
                entry.origin,
                entry.captions,
                entry.attributes,
                entry.held_out,
                entry.picture.content_hash,
            )
            stored = (item.title, item.source, item.origin, item.captions, item.attributes, item.held_out, item.content_hash)
            same_bytes = (
                store.pictures.rendition(item.item_id) == entry.picture.rendition
                and store.pictures.thumbnail(item.item_id) == entry.picture.thumbnail
                and store.embeddings.get(item.item_id, MODEL_ID).tobytes() == entry.embedding.tobytes()
            )
            if stored != written or not same_bytes or best[0] != item.item_id:
                report.wrong.append(f"item {number} is not what was written, or item {best[0]} is nearer to it than itself")
        index.close()


def main() -> int:
    """Run the benchmark; exits with 1 if an item was lost or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_until_killed(options.write, options.start)
    with tempfile.TemporaryDirectory() as folder:
        report = run_rounds(Path(folder) / "catalog.sqlite3", options.rounds, writers=options.writers, seed=options.seed)
    print(report.table)
    return 1 if report.lost or report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
