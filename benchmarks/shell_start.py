"""Duration of commands: help, a search that loads the model, and a search through a running API.

    python -m benchmarks.shell_start

Each figure is the median of several whole processes. Bars: `--help` takes at most 0.5 s more than `python -c pass`; a search
through a running API takes at most 0.5 s.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.api_collection import Server, made, settings_of

HELP_BAR_S = 0.5
SEARCH_BAR_S = 0.5
_PROJECT = Path(__file__).resolve().parents[1]


def seconds(command: list[str], environment: dict[str, str], times: int) -> float:
    """Median duration of a whole process, after one unmeasured run that fills the disk cache."""
    took = []
    for _ in range(times + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, cwd=_PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        took.append(time.perf_counter() - began)
    return statistics.median(took[1:])


def main() -> int:
    """Run the benchmark; exits with 1 if the help or the search through the API misses its bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--items", type=int, default=1_000)
    options = parser.parse_args()
    shell = [sys.executable, "cli.py"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made(folder, options.items)
        environment = {**os.environ, **settings_of(folder, 0)}
        search = [*shell, "search", "red striped mug"]
        rows = [
            ("python -c pass", seconds([sys.executable, "-c", "pass"], environment, options.times)),
            ("python -c 'import torch'", seconds([sys.executable, "-c", "import torch"], environment, options.times)),
            ("cli.py --help", seconds([*shell, "--help"], environment, options.times)),
            ("search, loads the model", seconds(search, environment, options.times)),
        ]
        server = Server(folder)
        server.wait_until_ready()
        rows.append(("search, through the API", seconds(search, environment, options.times)))
        server.stop()
    print("\n".join(f"{what:<30}{took:>8.2f} s" for what, took in rows))
    more = rows[2][1] - rows[0][1]
    through_api = rows[-1][1]
    print(f"help beside python -c pass: {more:.2f} s more; the bar is {HELP_BAR_S}")
    print(f"search through the API: {through_api:.2f} s; the bar is {SEARCH_BAR_S}")
    return 0 if more <= HELP_BAR_S and through_api <= SEARCH_BAR_S else 1


if __name__ == "__main__":
    sys.exit(main())
