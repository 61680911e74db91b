"""The pipeline with the real decoder, fetcher and collection: ten rows, three of which cannot be used."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossmodal.images.decode import DecodeLimits
from crossmodal.images.decoder import Decoder
from crossmodal.images.fetch import Fetcher, FetchLimits
from crossmodal.ingest.picture_loader import PictureLoader
from crossmodal.ingest.pipeline import IngestReport, ingest
from crossmodal.ingest.sources.base import SourceLimits
from crossmodal.ingest.sources.open import open_source
from crossmodal.items import Embedding, Pixels
from crossmodal.store import Store

LIMITS = SourceLimits()


def jpeg(number: int) -> bytes:
    """A picture of two colours that depend on the number."""
    image = Image.new("RGB", (90, 60), (25 * number, 100, 200))
    image.paste((200, 25 * number, 50), (0, 0, 45, 60))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


class Pages(BaseHTTPRequestHandler):
    """`/N.jpg` is picture N, everything else is 404."""

    def do_GET(self) -> None:
        stem = self.path.strip("/").removesuffix(".jpg")
        body = jpeg(int(stem)) if stem.isdigit() else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(DecodeLimits(), workers=2) as decoder:
        yield decoder


def mean_colours(pixels: Pixels) -> Embedding:
    """(n, S, S, 3) to (n, 6): the mean colour of the left and of the right half, length 1."""
    left, right = np.split(pixels.astype(np.float32), 2, axis=2)
    vectors = np.concatenate([left.mean((1, 2)), right.mean((1, 2))], axis=1) + 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def run(path: Path, store: Store, decoder: Decoder, *, allow: str, **options: str) -> IngestReport:
    source = open_source(path, limits=LIMITS)
    fetcher = Fetcher(FetchLimits(timeout_s=5), allow=(allow,))
    return ingest(
        source,
        load=PictureLoader(source.folder, fetch=fetcher.fetch, max_image_bytes=LIMITS.max_image_bytes),
        decoder=decoder,
        encode=mean_colours,
        store=store,
        model_id="colours",
        square_px=32,
        **options,  # type: ignore[arg-type]
    )


def ten_rows(folder: Path, server: str) -> Path:
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes(jpeg(number))
    (folder / "text.jpg").write_text("This is a letter, not a picture.")
    (folder / "cut.jpg").write_bytes(jpeg(7)[:400])
    places = [*(f"{n}.jpg" for n in range(5)), f"http://{server}/5.jpg", f"http://{server}/6.jpg"]
    places += [f"http://{server}/gone.jpg", "text.jpg", "cut.jpg"]
    path = folder / "things.csv"
    path.write_text("title,imgUrl,price\n" + "".join(f"Thing {n},{place},00{n}\n" for n, place in enumerate(places)))
    return path


def test_seven_of_ten_are_indexed_and_three_listed_with_reasons_until_repaired(
    tmp_path: Path, server: str, decoder: Decoder
) -> None:
    table = ten_rows(tmp_path, server)
    with Store(tmp_path / "store" / "catalog.sqlite3") as store:
        report = run(table, store, decoder, allow=server)
        assert (report.indexed, report.failed) == (7, 3)
        failures = {failure.title: failure for failure in store.failures.all()}
        assert {title: failure.code for title, failure in failures.items()} == {
            "Thing 7": "http_status",
            "Thing 8": "not_an_image",
            "Thing 9": "image_corrupt",
        }
        assert "404" in failures["Thing 7"].reason
        assert all(failure.reason and failure.remedy for failure in failures.values())
        assert sorted(item.title for item in store.items.page(100)) == [f"Thing {n}" for n in range(7)]
        for item in store.items.page(100):
            number = int(item.title.removeprefix("Thing "))
            expected = mean_colours(decoder.decode(jpeg(number), square_px=32).pixels[np.newaxis])[0]
            np.testing.assert_array_equal(store.embeddings.get(item.item_id, "colours"), expected)
            assert item.attributes["price"] == f"00{number}"

        (tmp_path / "cut.jpg").write_bytes(jpeg(9))
        report = run(table, store, decoder, allow=server, look_again="failures")
        assert (report.indexed, report.unchanged, report.failed) == (1, 7, 2)
        assert {failure.title: failure.attempts for failure in store.failures.all()} == {"Thing 7": 2, "Thing 8": 2}
        assert store.items.count() == 8


def test_an_address_of_the_own_network_is_not_asked_unless_it_is_allowed(tmp_path: Path, server: str, decoder: Decoder) -> None:
    (tmp_path / "things.csv").write_text(f"title,imgUrl\nMug,http://{server}/1.jpg\n")
    with Store(tmp_path / "catalog.sqlite3") as store:
        assert run(tmp_path / "things.csv", store, decoder, allow="nas.test").failed == 1
        [failure] = store.failures.all()
        assert failure.code.startswith("url_blocked")


def test_reopened_after_a_stop_the_rest_is_indexed(tmp_path: Path, server: str, decoder: Decoder) -> None:
    for number in range(10):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number))
    path = tmp_path / "store" / "catalog.sqlite3"
    with Store(path) as store:
        assert run(tmp_path, store, decoder, allow=server).indexed == 10
    (tmp_path / "new.jpg").write_bytes(jpeg(10))
    with Store(path) as store:
        report = run(tmp_path, store, decoder, allow=server)
        assert (report.indexed, report.unchanged) == (1, 10)
