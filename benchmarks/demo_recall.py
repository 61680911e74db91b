"""Recall of the demo model on combinations it has not seen, for several training seeds.

    python -m benchmarks.demo_recall --seeds 42 1 2

Text → image among all held-out pictures, with exactly one relevant picture per text, measured as the product does. Bars: R@1 0.97,
R@5 0.99.
"""

import argparse
import tempfile
from pathlib import Path

from config import Settings
from initialize import build_system


def main() -> None:
    """Print one row per seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 1, 2])
    print("seed   R@1    R@5    R@10   median rank   chance@1   queries   seconds")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in parser.parse_args().seeds:
            settings = Settings(
                data_dir=folder / f"data-{seed}", dataset_dir=folder / "dataset", model_path=folder / f"{seed}.pth", seed=seed
            )
            app = build_system(settings)
            card = app.info().model
            figures = card.held_out
            app.close()
            if figures is None:
                raise SystemExit("no picture was held out")
            print(
                f"{seed:4}   {figures.recall_at_1:.3f}  {figures.recall_at_5:.3f}  {figures.recall_at_10:.3f}"
                f"  {figures.median_rank:11.1f}   {figures.chance_at_1:8.3f}   {figures.queries:7}   {card.training_seconds:7.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
