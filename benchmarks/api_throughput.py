"""Text searches per second over HTTP with 1, 8 and 32 clients, compared with calling the engine in a loop.

    python -m benchmarks.api_throughput

The clients run in a separate process, as on another computer, but share this computer's cores with the server.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.api_client import Client
from benchmarks.api_collection import QUERIES, Server, made, settings_of

BAR = 1.5
CLIENTS = (1, 8, 32)


def plain_loop(folder: Path, seconds: float) -> float:
    """Searches per second of one thread that calls the engine."""
    os.environ.update(settings_of(folder, 0))
    from config import Settings
    from initialize import build_system

    app = build_system(Settings())
    try:
        app.jobs.wait(60)
        for query in QUERIES:
            app.search_by_text(query, 10)
        began = time.perf_counter()
        for done, query in enumerate(itertools.cycle(QUERIES), start=1):
            app.search_by_text(query, 10)
            if time.perf_counter() - began > seconds:
                return done / (time.perf_counter() - began)
    finally:
        app.close()
    raise AssertionError("unreachable")


def load(address: str, clients: int, seconds: float) -> tuple[float, float, float, int]:
    """Searches per second, p50 and p99 in milliseconds, and the number of failures for a number of concurrent clients."""
    times: list[float] = []
    failed: list[str] = []
    stop = threading.Event()

    def work(number: int) -> None:
        client = Client(address)
        mine = []
        for query in itertools.islice(itertools.cycle(QUERIES), number, None):
            if stop.is_set():
                break
            mine.append(client.search(query)[0])
        times.extend(mine)
        failed.extend(client.failed)
        client.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    rate = len(times) / (time.perf_counter() - began)
    return rate, float(np.percentile(times, 50)), float(np.percentile(times, 99)), len(failed)


def main() -> int:
    """Run the benchmark; exits with 1 for a failed request or a missed bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each stretch")
    parser.add_argument("--load", nargs=2, metavar=("ADDRESS", "CLIENTS"), help=argparse.SUPPRESS)
    parser.add_argument("--plain", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        print(*load(options.load[0], int(options.load[1]), options.seconds))
        return 0
    if options.plain:
        print(plain_loop(options.plain, options.seconds))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made(folder, options.items)
        [plain] = _figures("--plain", name, options.seconds)
        server = Server(folder)
        server.wait_until_ready()
        _figures("--load", server.address, 2.0, "8")
        rows = [(clients, *_figures("--load", server.address, options.seconds, str(clients))) for clients in CLIENTS]
        server.stop()
    print(f"{'':<16}{'searches/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}")
    print(f"{'plain loop':<16}{plain:>12.0f}")
    for clients, rate, p50, p99, failed in rows:
        print(f"{f'{clients} clients':<16}{rate:>12.0f}{p50:>9.1f}{p99:>9.1f}{failed:>8.0f}")
    ratio = rows[-1][1] / plain
    print(f"rate at {CLIENTS[-1]} clients over the plain loop's: {ratio:.2f}; the bar is {BAR}")
    return 0 if ratio >= BAR and not any(row[-1] for row in rows) else 1


def _figures(flag: str, first: str, seconds: float, *more: str) -> list[float]:
    """Run this file in a separate process; returns what it prints."""
    command = [sys.executable, "-m", "benchmarks.api_throughput", flag, first, *more, "--seconds", str(seconds)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [float(figure) for figure in printed.split()]


if __name__ == "__main__":
    sys.exit(main())
