"""Searches over HTTP while other clients add and remove items, compared with the same searches alone.

    python -m benchmarks.api_while_writing

First the searching clients run alone, then while two clients add pictures and one removes them. Throughout, another client requests
`/health` ten times per second.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np

from benchmarks.api_client import Client
from benchmarks.api_collection import QUERIES, Server, drawn_png, made

BAR = 3.0
HEALTH_BAR_MS = 200.0


class Stretch:
    """Results of the clients of one phase."""

    def __init__(self, address: str, *, searchers: int, adders: int, removers: int) -> None:
        self._address = address
        self._stop = threading.Event()
        self._added: deque[str] = deque()
        self.search_ms: list[float] = []
        self.health_ms: list[float] = []
        self.failed: list[str] = []
        self.written = self.removed = 0
        self._threads = [threading.Thread(target=self._search, args=(number,)) for number in range(searchers)]
        self._threads += [threading.Thread(target=self._add, args=(number,)) for number in range(adders)]
        self._threads += [threading.Thread(target=self._remove) for _ in range(removers)]
        self._threads.append(threading.Thread(target=self._health))

    def run(self, seconds: float) -> "Stretch":
        """Run the clients for this many seconds."""
        for thread in self._threads:
            thread.start()
        time.sleep(seconds)
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self

    def _search(self, number: int) -> None:
        client = Client(self._address)
        for query in itertools.islice(itertools.cycle(QUERIES), number, None):
            if self._stop.is_set():
                break
            took, answer = client.search(query)
            self.search_ms.append(took)
            if answer.get("num_results") != 10:
                client.failed.append(f"{query}: {answer}")
        self._end(client)

    def _add(self, number: int) -> None:
        client = Client(self._address)
        for picture in itertools.count(number * 10**6):
            if self._stop.is_set():
                break
            status, answer = client.add(drawn_png(picture), f"added thing {picture}")
            if status != 201:
                client.failed.append(f"add {status} {answer}")
                continue
            self.written += 1
            self._added.append(answer["item"]["item_id"])
        self._end(client)

    def _remove(self) -> None:
        client = Client(self._address)
        while not self._stop.is_set():
            if len(self._added) < 4:
                time.sleep(0.005)
                continue
            status, text = client.ask("DELETE", f"/api/items/{self._added.popleft()}")
            self.removed += 1
            if status != 204:
                client.failed.append(f"remove {status} {text[:200]!r}")
        self._end(client)

    def _health(self) -> None:
        command = [sys.executable, "-m", "benchmarks.health_watch", self._address]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            self._stop.wait()
            printed, _ = process.communicate("")
        figures = [float(took) for took in printed.split()]
        self.health_ms += [took for took in figures if took >= 0]
        self.failed += ["/health"] * (len(figures) - len(self.health_ms))

    def _end(self, client: Client) -> None:
        self.failed.extend(client.failed)
        client.close()


def main() -> int:
    """Run the benchmark; exits with 1 for a failed request or a missed bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=180.0, help="of the phase with writers")
    parser.add_argument("--alone-seconds", type=float, default=60.0)
    parser.add_argument("--searchers", type=int, default=16)
    parser.add_argument("--adders", type=int, default=2)
    parser.add_argument("--removers", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        made(Path(name), options.items)
        server = Server(Path(name))
        server.wait_until_ready()
        Stretch(server.address, searchers=options.searchers, adders=0, removers=0).run(2.0)
        alone = Stretch(server.address, searchers=options.searchers, adders=0, removers=0).run(options.alone_seconds)
        beside = Stretch(server.address, searchers=options.searchers, adders=options.adders, removers=options.removers)
        beside.run(options.seconds)
        server.stop()
    print(f"{'':<16}{'searches':>10}{'p50 ms':>9}{'p99 ms':>9}{'/health max ms':>16}{'failed':>8}")
    for name, stretch in (("alone", alone), ("beside writers", beside)):
        p50, p99 = np.percentile(stretch.search_ms, [50, 99])
        failed, health = len(stretch.failed), max(stretch.health_ms)
        print(f"{name:<16}{len(stretch.search_ms):>10}{p50:>9.1f}{p99:>9.1f}{health:>16.1f}{failed:>8}")
    ratio = float(np.percentile(beside.search_ms, 99) / np.percentile(alone.search_ms, 99))
    print(f"{beside.written} items added, {beside.removed} removed")
    print(f"p99 beside writers over p99 alone: {ratio:.2f}; the bar is {BAR}")
    problems = alone.failed + beside.failed
    print("\n".join(problems[:5]))
    health = max(alone.health_ms + beside.health_ms)
    print("/health p50, p90, p99 ms:", *np.percentile(alone.health_ms + beside.health_ms, [50, 90, 99]).round(1))
    print(f"slowest /health: {health:.0f} ms; the bar is {HEALTH_BAR_MS:.0f}")
    return 0 if ratio <= BAR and not problems and health <= HEALTH_BAR_MS else 1


if __name__ == "__main__":
    sys.exit(main())
