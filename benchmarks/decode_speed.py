"""Decoding speed: plain Pillow, the guarded decoder in this process, and the guarded decoder in child processes.

    python -m benchmarks.decode_speed [--count 600] [--side 224] [--rounds 3]

Reads the pictures of `../shared/data/flickr8k` if they exist, and draws some otherwise. All variants decode the same files and take turns
within a round, so that other load affects all of them; the best round of each counts.
"""

import argparse
import io
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from crossmodal.images.decode import DecodeLimits, decode_picture
from crossmodal.images.decoder import Decoder

FLICKR = Path(__file__).resolve().parents[2] / "shared" / "data" / "flickr8k" / "images"
LIMITS = DecodeLimits()
THREADS = 4


def pictures(count: int) -> tuple[str, list[bytes]]:
    """Files to decode, and their origin."""
    if FLICKR.is_dir():
        return "flickr8k, 224 x 224 JPEG", [path.read_bytes() for path in sorted(FLICKR.iterdir())[:count]]
    rng = np.random.default_rng(0)
    return "drawn, 224 x 224 JPEG", [drawn(rng) for _ in range(count)]


def drawn(rng: np.random.Generator) -> bytes:
    """A JPEG with about as much detail as a photograph."""
    coarse = Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).resize((224, 224), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    coarse.save(out, "JPEG", quality=85)
    return out.getvalue()


def plain(data: bytes, side: int) -> np.ndarray:
    """A plain loop: open, convert and scale, without guards or a stored copy."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR) if image.size != (side, side) else image)


def rate(work: Callable[[], object], count: int) -> float:
    """Pictures per second."""
    begun = time.perf_counter()
    work()
    return count / (time.perf_counter() - begun)


def measure(files: Sequence[bytes], side: int, rounds: int) -> dict[str, float]:
    """Best rate of each variant."""
    with Decoder(LIMITS, workers=2) as decoder, ThreadPoolExecutor(THREADS) as threads:
        ways: dict[str, Callable[[], object]] = {
            "plain Pillow, one thread": lambda: [plain(data, side) for data in files],
            "decode_picture, this process": lambda: [decode_picture(data, limits=LIMITS, square_px=side) for data in files],
            "Decoder, one picture at a time": lambda: [decoder.decode(data, square_px=side) for data in files],
            f"Decoder, 2 processes, {THREADS} threads": lambda: list(
                threads.map(lambda data: decoder.decode(data, square_px=side), files)
            ),
        }
        list(threads.map(lambda data: decoder.decode(data, square_px=side), files[:8]))  # starts the processes
        best = dict.fromkeys(ways, 0.0)
        for _ in range(rounds):
            for name, work in ways.items():
                best[name] = max(best[name], rate(work, len(files)))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--side", type=int, default=224, help="side of the square for the model, in pixels")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    source, files = pictures(options.count)
    best = measure(files, options.side, options.rounds)
    baseline = best["plain Pillow, one thread"]
    print(f"{len(files)} pictures: {source}; square of {options.side} px; best of {options.rounds} rounds\n")
    print(f"{'':40}{'pictures/s':>12}{'ms each':>10}{'x plain':>10}")
    for name, speed in best.items():
        print(f"{name:40}{speed:12.0f}{1000 / speed:10.2f}{speed / baseline:10.2f}")


if __name__ == "__main__":
    main()
