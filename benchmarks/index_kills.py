"""Kill `index` with SIGKILL at random moments, then let it finish: every picture once, and none encoded again after its commit.

    python -m benchmarks.index_kills --pictures 2000 --kills 5

The killed process is the real command, patched to log the digest of the pixels that it encodes. After each kill the committed pictures are
read from the collection; a later run must not encode any of them.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from struct import pack

from crossmodal.images.decode import DecodeLimits, decode_picture
from crossmodal.store import Store

_PROJECT = Path(__file__).resolve().parents[1]
_COMMAND = """
import hashlib, os, sys
from engine.models.trained import TrainedModel
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
encode = TrainedModel.encode_pixels
def logged(self, pixels):
    os.write(log, "".join(hashlib.sha256(each.tobytes()).hexdigest() + "\\n" for each in pixels).encode())
    return encode(self, pixels)
TrainedModel.encode_pixels = logged
sys.argv = ["cli.py", "index", sys.argv[2], "--quiet"]
import cli
cli.app()
"""


@dataclass
class Report:
    """Results.

    Attributes:
        committed: items in the collection after each kill.
        again: pictures that a later run encoded although they were already committed.
        wrong: one sentence per fault.
    """

    pictures: int
    kills: int = 0
    committed: list[int] = field(default_factory=list)
    encoded: int = 0
    again: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def table(self) -> str:
        """The results, one per line."""
        rows = {
            "pictures": self.pictures,
            "kills": self.kills,
            "committed after each kill": " ".join(map(str, self.committed)),
            "encodings in all": self.encoded,
            "encoded again after their commit": self.again,
            "last run, s": f"{self.seconds:.1f}",
        }
        return "\n".join([*(f"{name:<36}{value}" for name, value in rows.items()), *self.wrong[:10]])


def picture(number: int, *, side: int = 48) -> bytes:
    """A PNG for this number: stripes whose colours and width encode it."""
    chance = random.Random(number)
    colours = [bytes(chance.randrange(256) for _ in range(3)) for _ in range(2)]
    width = 2 + number % 11
    row = b"\0" + b"".join(colours[x // width % 2] for x in range(side))
    chunks = ((b"IHDR", pack(">2I5B", side, side, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(row * side)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def write_pictures(folder: Path, count: int) -> None:
    """Write `count` different pictures into several folders."""
    for number in range(count):
        place = folder / f"part{number % 7}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"picture {number:05}.png").write_bytes(picture(number))


def kill_and_finish(folder: Path, environment: dict[str, str], *, pictures: int, kills: int, seed: int, square_px: int) -> Report:
    """Index `folder/pictures` into the installation given by the environment, killing the process `kills` times.

    Args:
        environment: settings of an installation that already has a model.
        square_px: side of the model's input, to identify encoded pictures.
    """
    report, chance, log = Report(pictures), random.Random(seed), folder / "encoded.log"
    mine = folder / "pictures"
    pixels_of = _pixel_digests(mine, square_px)
    store_path = Path(environment["CROSSMODAL_DATA_DIR"]) / "catalog.sqlite3"
    committed: set[str] = set()
    for kill in range(kills + 1):
        seen = _lines(log)
        process = _start(log, mine, environment)
        if kill < kills:
            # Anywhere in the remaining work: after a random number of encodings, at a random moment of the batch.
            left = pictures - len(committed)
            _wait_for(log, len(seen) + chance.randrange(1, max(2, left // 2)), process)
            time.sleep(chance.uniform(0, min(0.3, pictures / 5000)))
            with suppress(ProcessLookupError):  # it finished before the kill
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            report.kills += process.returncode == -signal.SIGKILL
        else:
            began = time.monotonic()
            _, errors = process.communicate()
            report.seconds = time.monotonic() - began
            if process.returncode:
                report.wrong.append(f"the last run ended with {process.returncode}: {errors.decode(errors='replace')[-300:]}")
        new = _lines(log)[len(seen) :]
        report.again += sum(digest in committed for digest in new)
        committed = {pixels_of[content] for content in _contents(store_path, report)}
        report.committed.append(len(committed))
    report.encoded = len(_lines(log))
    if report.committed[-1] != pictures:
        report.wrong.append(f"{report.committed[-1]} of {pictures} pictures are in the collection")
    if report.again:
        report.wrong.append(f"{report.again} pictures were encoded again after their commit")
    return report


def _start(log: Path, folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _COMMAND, str(log), str(folder)],
        cwd=_PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, **environment},
    )


def _wait_for(log: Path, lines: int, process: subprocess.Popen[bytes]) -> None:
    while len(_lines(log)) < lines and process.poll() is None:
        time.sleep(0.01)


def _lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def _contents(store_path: Path, report: Report) -> list[str]:
    """Content hashes of the items; a picture that occurs twice or has no embedding is a fault."""
    with Store(store_path) as store:
        items = store.items.page(10**9)
        embedded = store.models.counts()
    twice = [content for content, count in Counter(item.content_hash for item in items).items() if count > 1]
    if twice:
        report.wrong.append(f"{len(twice)} pictures are in the collection more than once")
    if items and list(embedded.values()) != [len(items)]:
        report.wrong.append(f"{len(items)} items have {embedded} embeddings")
    return [item.content_hash for item in items]


def _pixel_digests(folder: Path, square_px: int) -> dict[str, str]:
    """Content hash of every picture → digest of the pixels that the model receives for it."""
    found = {}
    for path in folder.rglob("*.png"):
        data = path.read_bytes()
        pixels = decode_picture(data, limits=DecodeLimits(), square_px=square_px).pixels
        found[hashlib.sha256(data).hexdigest()] = hashlib.sha256(pixels.tobytes()).hexdigest()
    if len(set(found.values())) != len(found):
        raise RuntimeError("two of the pictures have the same pixels")
    return found


def environment_of(folder: Path) -> dict[str, str]:
    """An installation in its own folder."""
    return {
        "CROSSMODAL_DATA_DIR": str(folder / "data"),
        "CROSSMODAL_DATASET_DIR": str(folder / "dataset"),
        "CROSSMODAL_MODEL_PATH": str(folder / "trained_model.pth"),
        "CROSSMODAL_DOWNLOAD_WEIGHTS": "false",
    }


def main() -> int:
    """Run the benchmark; exits with 1 for any fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    from engine.models.loading import load_model

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**environment_of(folder), "CROSSMODAL_MAX_EPOCHS": "1", "CROSSMODAL_DEMO_ITEMS": "100"}
        write_pictures(folder / "pictures", options.pictures)
        write_pictures(folder / "first", 1)  # makes the model
        made = subprocess.run(
            [sys.executable, "cli.py", "index", str(folder / "first"), "--quiet"],
            cwd=_PROJECT,
            env={**os.environ, **environment},
            check=False,
        )
        if made.returncode:
            return made.returncode
        Path(environment["CROSSMODAL_DATA_DIR"]).rename(folder / "data of the first")
        size = load_model(Path(environment["CROSSMODAL_MODEL_PATH"])).spec.image_size_px
        report = kill_and_finish(
            folder, environment, pictures=options.pictures, kills=options.kills, seed=options.seed, square_px=size
        )
    print(report.table)
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
