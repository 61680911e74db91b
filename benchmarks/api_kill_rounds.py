"""Kill the API server with SIGKILL while clients add items over HTTP; no acknowledged item may be lost or changed.

    python -m benchmarks.api_kill_rounds --rounds 100

Each round starts the server, lets the writers add pictures generated from numbers, and kills the server after a random time. After the
next start every item acknowledged in the previous round is requested over HTTP and its texts are compared; at the end the whole collection
is read. It also measures how long the server takes to become ready again, and how much of that is imports and loading the model.
"""

import argparse
import itertools
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path

import numpy as np

from benchmarks.api_client import Client
from benchmarks.api_collection import Server, drawn_png, made
from crossmodal.store import Store

BAR_S = 5.0
_RANGE = 10**7


@dataclass
class Report:
    """Results. `lost` contains the numbers of acknowledged items that are missing or differ from what was sent."""

    kills: int = 0
    acknowledged: dict[int, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    ready_s: list[float] = field(default_factory=list)


def write_until_killed(address: str, numbers: "itertools.count[int]", acknowledged: dict[int, str]) -> None:
    """One client: adds items and records the acknowledged ones until the server is killed."""
    client = Client(address, timeout_s=20)
    try:
        for number in numbers:
            status, answer = client.add(drawn_png(number), title_of(number))
            if status == 201:
                acknowledged[number] = answer["item"]["item_id"]
    except (OSError, HTTPException, ValueError):
        return  # killed
    finally:
        client.close()


def title_of(number: int) -> str:
    """The title of the item with this number."""
    return f"thing {number}"


def check(address: str, acknowledged: Mapping[int, str], report: Report) -> None:
    """Request each item from the server."""
    client = Client(address)
    for number, item_id in acknowledged.items():
        _, text = client.timed("GET", f"/api/items/{item_id}")
        if title_of(number).encode() not in text:
            client.failed.append(f"item {item_id} of number {number} is {text[:100]!r}")
    report.lost += client.failed
    client.close()


def check_all(path: Path, before: int, report: Report) -> None:
    """Read the collection: every acknowledged item must have its own picture, and there must be no others."""
    with Store(path) as store:
        for number, item_id in report.acknowledged.items():
            found = store.items.get_many([int(item_id)])
            if not found or found[0].title != title_of(number) or found[0].content_hash != sha256(drawn_png(number)).hexdigest():
                report.lost.append(f"number {number}: {found}")
            else:
                store.pictures.rendition(int(item_id))
        more = store.items.count() - before - len(report.acknowledged)
        # One request per writer and round may have been committed without being acknowledged.
        if not 0 <= more <= 2 * report.kills:
            report.lost.append(f"{more} items more than were acknowledged")


def start_cost_s(folder: Path) -> float:
    """Seconds to import everything and load the model: the part of a start that is not recovery."""
    path = repr(str(folder / "model.pth"))
    code = f"import api.server; from pathlib import Path; from engine.models.loading import load_model; load_model(Path({path}))"
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[1])
    return time.monotonic() - began


def run_rounds(folder: Path, rounds: int, *, writers: int, longest_s: float, seed: int, items: int) -> Report:
    """Run all rounds; see the module docstring."""
    report, chance, last = Report(), random.Random(seed), dict[int, str]()
    made(folder, items)
    sequences = [itertools.count(writer * _RANGE) for writer in range(writers)]
    for _ in range(rounds):
        server = Server(folder)
        report.ready_s.append(server.wait_until_ready())
        check(server.address, last, report)
        last = {}
        arguments = [(server.address, numbers, last) for numbers in sequences]
        threads = [threading.Thread(target=write_until_killed, args=each) for each in arguments]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.05, longest_s))
        server.kill()
        for thread in threads:
            thread.join()
        report.kills += 1
        report.acknowledged |= last
    check_all(folder / "data" / "catalog.sqlite3", items, report)
    return report


def main() -> int:
    """Run the benchmark; exits with 1 if an item was lost or a start took too long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--longest-s", type=float, default=1.5, help="longest time until a ready server is killed")
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = run_rounds(
            folder, options.rounds, writers=options.writers, longest_s=options.longest_s, seed=options.seed, items=options.items
        )
        start_s = start_cost_s(folder)
    ready = np.percentile(report.ready_s, [50, 100])
    rows = {
        "servers killed": report.kills,
        "items acknowledged": len(report.acknowledged),
        "items lost or wrong": len(report.lost),
        "ready again, p50 s": f"{ready[0]:.1f}",
        "ready again, slowest s": f"{ready[1]:.1f}",
        "of it imports and model load s": f"{start_s:.1f}",
    }
    print("\n".join([*(f"{name:<36}{value:>10}" for name, value in rows.items()), *report.lost[:10]]))
    return 1 if report.lost or ready[1] - start_s > BAR_S else 0


if __name__ == "__main__":
    sys.exit(main())
