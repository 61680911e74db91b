"""From picture files to searchable items: the product's pipeline compared with a plain loop, in one run.

    python -m benchmarks.ingest --catalogue ../shared/data/flickr8k --split dev --count 1000 --sizes 64 224

Both encode the same files with the same network (a ResNet18 with random weights and a 256-dimensional head). The plain loop does what a
first script does: open with Pillow, convert to RGB, resize, crop, run the network in float32 with 16 pictures per batch, all sequentially;
its embeddings stay in memory. The pipeline is the product's: files are read and decoded in guarded processes, a large picture and a
thumbnail are written, embeddings come from the fast encoder, and everything is durable in the collection when the clock stops. The last
column is the pipeline with an encoder that does nothing. Both read files that were just written, so that neither reads from a cold disk.
"""

import argparse
import copy
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from crossmodal.backbones.resnet import SmallMapConv2d
from crossmodal.images.decode import DecodeLimits
from crossmodal.images.decoder import Decoder
from crossmodal.images.transforms import MEAN, STD, to_model_input
from crossmodal.ingest.commit import Encode
from crossmodal.ingest.picture_loader import PictureLoader
from crossmodal.ingest.pipeline import ingest
from crossmodal.ingest.sources.base import SourceLimits
from crossmodal.ingest.sources.csv import CsvSource
from crossmodal.ingest.sources.open import open_source
from crossmodal.items import Embedding, Pixels, SourceRow
from crossmodal.runtimes.torch import InferenceNetwork
from crossmodal.store import Store
from crossmodal.torchvision_compat import import_torchvision
from encoders import ImageEncoder

EMBED_DIM = 256
MODEL_ID = "benchmark"
PLAIN_BATCH = 16


def plain_loop(paths: Sequence[Path], network: torch.nn.Module, *, square_px: int) -> Embedding:
    """The reference: (n, 256) embeddings, one batch after another."""
    transforms = import_torchvision().transforms

    transform = transforms.Compose(
        [
            transforms.Resize(square_px),
            transforms.CenterCrop(square_px),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    parts = []
    with torch.no_grad():
        for start in range(0, len(paths), PLAIN_BATCH):
            batch = [transform(Image.open(path).convert("RGB")) for path in paths[start : start + PLAIN_BATCH]]
            parts.append(network(torch.stack(batch)))
    return torch.cat(parts).numpy()


def pipeline(table: Path, encode: Encode, *, square_px: int, workers: int, batch_size: int) -> Embedding:
    """The product: (n, 256) embeddings as stored in the collection afterwards, in the order of the table."""
    limits = SourceLimits()
    source = CsvSource(table, limits=limits)
    with (
        tempfile.TemporaryDirectory() as folder,
        Decoder(DecodeLimits(), workers=workers) as decoder,
        Store(Path(folder) / "catalog.sqlite3") as store,
    ):
        report = ingest(
            source,
            load=PictureLoader(source.folder, fetch=None, max_image_bytes=limits.max_image_bytes),
            decoder=decoder,
            encode=encode,
            store=store,
            model_id=MODEL_ID,
            square_px=square_px,
            batch_size=batch_size,
        )
        if report.failed:
            raise SystemExit(f"{report.failed} pictures failed: {store.failures.all()[0].reason}")
        items = sorted(store.items.page(report.indexed), key=lambda item: int(item.title))
        return np.stack([store.embeddings.get(item.item_id, MODEL_ID) for item in items])


def as_torchvision_has_it(network: torch.nn.Module) -> torch.nn.Module:
    """A copy with ordinary convolutions and memory format, as in a plain loop."""
    plain = copy.deepcopy(network)
    for module in plain.modules():
        for name, child in module.named_children():
            if isinstance(child, SmallMapConv2d):
                layer = torch.nn.Conv2d(child.in_channels, child.out_channels, 3, child.stride, child.padding, bias=False)
                layer.weight = child.weight
                setattr(module, name, layer)
    return plain.to(memory_format=torch.contiguous_format)


def fast_encoder(network: torch.nn.Module, *, square_px: int) -> Encode:
    """The product's encoder around a network: bfloat16 if the processor supports it."""
    fast = InferenceNetwork(network, image_size_px=square_px)

    def encode(pixels: Pixels) -> Embedding:
        embeddings: Embedding = fast(to_model_input(pixels)).numpy()
        return embeddings

    return encode


def no_encoder(pixels: Pixels) -> Embedding:
    """An encoder that does nothing, to measure the rest of the pipeline."""
    return np.full((len(pixels), EMBED_DIM), EMBED_DIM**-0.5, np.float32)


def timed(work: Callable[[], Embedding]) -> tuple[float, Embedding]:
    """Duration in seconds, and the result of the call."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def compare(paths: Sequence[Path], table: Path, *, square_px: int, options: argparse.Namespace) -> None:
    """Print one line of the table."""
    torch.manual_seed(0)
    network = ImageEncoder(EMBED_DIM).eval()
    encode = fast_encoder(network, square_px=square_px)
    plain = partial(plain_loop, square_px=square_px)
    network = as_torchvision_has_it(network)
    plain(paths[: 2 * PLAIN_BATCH], network)
    encode(np.zeros((options.batch, square_px, square_px, 3), np.uint8))
    plain_s, product_s, idle_s, agreement = [], [], [], 1.0
    for _ in range(options.repeat):
        seconds, expected = timed(lambda: plain(paths, network))
        plain_s.append(seconds)
        run = partial(pipeline, table, square_px=square_px, workers=options.workers, batch_size=options.batch)
        seconds, stored = timed(partial(run, encode))
        product_s.append(seconds)
        idle_s.append(timed(partial(run, no_encoder))[0])
        agreement = min(agreement, float((expected * stored).sum(1).min()))
    slow, fast, idle = map(statistics.median, (plain_s, product_s, idle_s))
    count = len(paths)
    print(
        f"{square_px:5} px{slow:11.2f} s {count / slow:7.0f}/s{fast:11.2f} s {count / fast:7.0f}/s"
        f"{slow / fast:9.2f} x {agreement:13.4f} {count / idle:17.0f}/s",
        flush=True,
    )


def copy_pictures(options: argparse.Namespace, folder: Path) -> tuple[list[Path], Path]:
    """Copy the pictures and write a table of them: both variants read the same files, already in the disk cache."""
    limits = SourceLimits()
    source = open_source(options.catalogue, limits=limits)
    load = PictureLoader(source.folder, fetch=None, max_image_bytes=limits.max_image_bytes)
    rows = (row for row in source.rows() if isinstance(row, SourceRow))
    chosen = (row for row in rows if not options.split or row.attributes.get("split") == options.split)
    paths = []
    for number, row in enumerate(islice(chosen, options.count)):
        paths.append(folder / f"{number}.jpg")
        paths[-1].write_bytes(load(row))
    table = folder / "pictures.csv"
    table.write_text("title,imgUrl\n" + "".join(f"{path.stem},{path.name}\n" for path in paths))
    return paths, table


def main() -> None:
    """Run both variants at each size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalogue", required=True, help="a CSV or a folder with JPEGs")
    parser.add_argument("--split", default="", help="only rows with this value in the column `split`")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 224])
    parser.add_argument("--repeat", type=int, default=1, help="rounds; the medians are compared")
    parser.add_argument("--workers", type=int, default=2, help="decoding processes")
    parser.add_argument("--batch", type=int, default=32, help="pictures per batch of the product")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths, table = copy_pictures(options, Path(folder))
        print(f"{len(paths)} JPEGs, {torch.get_num_threads()} threads, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
        print(f"{'':8}{'plain loop':>23}{'the product':>23}{'faster':>11}{'least cosine':>15}{'without encoding':>20}")
        for size in options.sizes:
            compare(paths, table, square_px=size, options=options)


if __name__ == "__main__":
    main()
