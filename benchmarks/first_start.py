"""From nothing to the first answer, and from a stopped program to the first answer.

    python -m benchmarks.first_start

Both starts run in a new process, with empty folders first and the same folders afterwards: the demo is drawn, a model trained, the index
built, and one text search answered. Bars: at most 60 s and 8 s. Opening the browser adds what a browser takes.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIRST_BAR_S, SECOND_BAR_S = 60.0, 8.0


def start(folder: Path) -> tuple[float, str]:
    """Seconds of one start to its first answer, interpreter included, and what it said last."""
    began = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.first_start", "--folder", str(folder)], capture_output=True, text=True, check=True
    )
    return time.perf_counter() - began, run.stdout.strip()


def one_start(folder: Path) -> str:
    """Build the whole system in `folder` and answer one search."""
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
    """Print both starts beside their bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.folder:
        print(one_start(chosen.folder))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, bar in (("first start", FIRST_BAR_S), ("second start", SECOND_BAR_S)):
            seconds, said = start(Path(folder))
            print(f"{name:13} {seconds:6.1f} s   bar {bar:4.0f} s   {said}", flush=True)


if __name__ == "__main__":
    main()
