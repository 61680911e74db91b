"""Size, speed and memory of every preset, with random weights, each in a separate process.

    python -m benchmarks.models_speed [--seconds 4]

Speed and memory do not depend on the weights' values. Pictures are encoded in batches of 32, texts in one call of 256 captions, with all
threads, as in use. Memory is the peak of the process, libraries included.
"""

import argparse
import json
import subprocess
import sys
import time

CAPTIONS = ["a child in a pink dress is climbing up a set of stairs", "two dogs run across the grass", "people on the beach"]


def measure(name: str, seconds: float) -> dict[str, float | str]:
    """Measure one preset in this process."""
    import resource

    import numpy as np

    from engine.models.build import WeightsRequest, assemble
    from engine.models.spec import ModelCard
    from engine.models.trained import TrainedModel
    from training.presets import PRESETS

    assembled = assemble(PRESETS[name], WeightsRequest(random=True))
    card = ModelCard("random weights", "", "none", 0, 0.0, 0.0, None, ())
    model = TrainedModel(assembled.system, assembled.spec, card, model_id="")
    size = assembled.spec.image_size_px
    pixels = np.random.default_rng(0).integers(0, 256, (32, size, size, 3), dtype=np.uint8)
    texts = (CAPTIONS * 86)[:256]

    def rate(work: object, count: int) -> float:
        work()  # type: ignore[operator]
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            work()  # type: ignore[operator]
            done += count
        return done / (time.perf_counter() - began)

    return {
        "preset": name,
        "parameters": sum(parameter.numel() for parameter in model.system.parameters()),
        "embed_dim": assembled.spec.embed_dim,
        "image_px": size,
        "precision": model.precision,
        "images_per_s": rate(lambda: model.encode_pixels(pixels), 32),
        "texts_per_s": rate(lambda: model.encode_texts(texts), 256),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Measure all presets and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(measure(chosen.one, chosen.seconds)))
        return
    from training.presets import PRESETS

    print("preset                parameters   dim    px   images/s   texts/s   peak MB   format")
    for name in PRESETS:
        command = [sys.executable, "-m", "benchmarks.models_speed", "--one", name, "--seconds", str(chosen.seconds)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        print(
            f"{name:20} {found['parameters'] / 1e6:10.1f} M {found['embed_dim']:5} {found['image_px']:5} {found['images_per_s']:10.0f}"
            f" {found['texts_per_s']:9.0f} {found['peak_mb']:9.0f}   {found['precision']}",
            flush=True,
        )


if __name__ == "__main__":
    main()
