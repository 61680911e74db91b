"""Time to the first search result: from an empty folder, and after a restart.

    python -m benchmarks.first_start

Both starts run in a new process, first with empty folders, then with the same folders: the demo is drawn, a model trained, the index
built, and one text search run. Bars: at most 60 s and 8 s. Opening the browser adds what a browser takes.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIRST_BAR_S, SECOND_BAR_S = 60.0, 8.0


def start(folder: Path) -> tuple[float, str]:
    """Seconds from the start of the interpreter to the first result, and the last line of output."""
    began = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.first_start", "--folder", str(folder)], capture_output=True, text=True, check=True
    )
    return time.perf_counter() - began, run.stdout.strip()


def one_start(folder: Path) -> str:
    """Build the whole system in `folder` and run one search."""
    from config import Settings
    from initialize import build_system

    settings = Settings(data_dir=folder / "data", dataset_dir=folder / "dataset", model_path=folder / "trained_model.pth")
    app = build_system(settings)
    best = app.search_by_text("red striped mug", 1)[0]
    card = app.info().model
    app.close()
    recall = f"{card.held_out.recall_at_1:.3f}" if card.held_out else "not measured"
    return (
        f"{best.item.title} | trained in {card.training_seconds:.1f} s | held-out R@1 {recall} | {card.weights}, {card.precision}"
    )


def main() -> None:
    """Print both times with their bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.folder:
        print(one_start(chosen.folder))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, bar in (("first start", FIRST_BAR_S), ("second start", SECOND_BAR_S)):
            seconds, last_line = start(Path(folder))
            print(f"{name:13} {seconds:6.1f} s   bar {bar:4.0f} s   {last_line}", flush=True)


if __name__ == "__main__":
    main()
