"""A real catalogue from end to end: index it, hold out a fifth, train on the titles, evaluate.

    python -m benchmarks.real_catalogue PATH [--model trained_model.pth]

PATH is a CSV or a folder. Without a model, the demo model is trained first, as at a first start.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from config import Settings
from crossmodal.progress import ignore_progress
from initialize import build_system


def main() -> None:
    """Print the number of items, the distance between embeddings, and the recall before and after training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalogue")
    parser.add_argument("--model", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model_path = folder / "trained_model.pth"
        if chosen.model:
            model_path.write_bytes(chosen.model.read_bytes())
        app = build_system(Settings(data_dir=folder / "data", dataset_dir=folder / "dataset", model_path=model_path))
        began = time.perf_counter()
        print(app.tasks.index(chosen.catalogue, ignore_progress), f"{time.perf_counter() - began:.1f} s")
        model_id = app.generation().model.model_id
        embeddings = app.store.changes.since(model_id).embeddings
        items = app.store.items.page(10**6)
        print(
            f"items {len(items)}, different pictures {len({item.content_hash for item in items})}, "
            f"different embeddings {len(np.unique(embeddings, axis=0))}, failures {len(app.failures())}"
        )
        data = app.tasks.training_data(ignore_progress)
        print(
            f"training pictures {len(data.train)}, held out {len(data.held_out)}; estimate {app.training_estimate().seconds:.0f} s"
        )
        print(app.tasks.train(ignore_progress))
        figures = app.info().model.held_out
        if figures is not None:
            print(
                f"R@1 {figures.recall_at_1:.3f} R@5 {figures.recall_at_5:.3f} R@10 {figures.recall_at_10:.3f}, chance "
                f"{figures.chance_at_1:.3f} {figures.chance_at_5:.3f} {figures.chance_at_10:.3f}, median rank "
                f"{figures.median_rank:.0f} of {figures.gallery}; {app.info().model.training_seconds:.0f} s"
            )
        app.close()


if __name__ == "__main__":
    main()
