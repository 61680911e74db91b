"""The parts of an app for tests: pictures decoded in this process, addresses answered from memory, a tiny model."""

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from app_logic import Limits, LostFoundApp
from crossmodal.errors import FetchError
from crossmodal.images.decode import DecodeLimits, decode_picture
from crossmodal.ingest.sources.base import SourceLimits
from crossmodal.ingest.sources.open import open_source
from crossmodal.items import Fit, Picture
from crossmodal.store import Store
from engine.live import LiveApp
from engine.models.trained import TrainedModel
from engine.tasks import TaskSettings
from tests.tiny import SETTINGS, drawn

LIMITS = Limits(max_query_chars=200, max_top_k=50, max_image_bytes=100_000)


def png(colour: str, thing: str, seed: int) -> bytes:
    """A drawn picture as a file; another seed is another picture."""
    out = io.BytesIO()
    Image.fromarray(drawn(colour, thing, seed)).save(out, "PNG")
    return out.getvalue()


class FakeFetcher:
    """Answers addresses from memory, with 404 for all others."""

    def __init__(self, **pictures: bytes) -> None:
        self.pictures = {f"https://shop.example/{name}": data for name, data in pictures.items()}

    def fetch(self, url: str) -> bytes:
        if url not in self.pictures:
            raise FetchError("http_status", f"{url} answered 404.", remedy="Check the address.")
        return self.pictures[url]


class InProcess:
    """The decoder without a process of its own."""

    def __init__(self) -> None:
        self.closed = False

    def decode(self, data: bytes, *, square_px: int, fit: Fit = "crop") -> Picture:
        return decode_picture(data, limits=DecodeLimits(max_bytes=LIMITS.max_image_bytes), square_px=square_px, fit=fit)

    def close(self) -> None:
        self.closed = True


def make_app(folder: Path, model: TrainedModel, fetcher: FakeFetcher | None = None) -> LostFoundApp:
    """An app on the collection in a folder, which may be there already."""
    return LostFoundApp(model, Store(folder / "catalog.sqlite3"), **_parts(folder, fetcher))


def make_live_app(
    folder: Path, model: TrainedModel, fetcher: FakeFetcher | None = None, *, training: object = SETTINGS, max_pictures: int = 1000
) -> LiveApp:
    """The same with its long work."""
    parts = TaskSettings(
        open_source=lambda where: open_source(
            where, limits=SourceLimits(), name="demo" if Path(where).parent.name == "demo" else None
        ),
        training=training,
        max_pictures=max_pictures,
    )
    return LiveApp(make_app(folder, model, fetcher), parts)


def _parts(folder: Path, fetcher: FakeFetcher | None) -> dict[str, object]:
    return {
        "fetcher": fetcher or FakeFetcher(),
        "decoder": InProcess(),
        "index_path": folder / "image_features.pt",
        "model_path": folder / "model.pth",
        "limits": LIMITS,
    }


def csv_source(folder: Path, pictures: dict[str, tuple[str, bytes]]) -> Path:
    """A CSV with `title,imgUrl` and its pictures beside it: {file name: (title, bytes)}; no bytes, no file."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["title,imgUrl"]
    for name, (title, data) in pictures.items():
        if data and "://" not in name:
            (folder / name).write_bytes(data)
        lines.append(f'"{title}",{name}')
    (folder / "things.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "things.csv"


def things(n: int, name: Callable[[int], str] = "{:03}.png".format, *, seed: int = 0) -> dict[str, tuple[str, bytes]]:
    """Rows for `csv_source`, of every colour and thing in turn."""
    from tests.tiny import COLOURS, THINGS

    kinds = [(colour, thing) for colour in COLOURS for thing in THINGS]
    rows = {}
    for i in range(n):
        colour, thing = kinds[i % len(kinds)]
        rows[name(i)] = (f"{colour} {thing}", png(colour, thing, seed * 10_000 + i))
    return rows
