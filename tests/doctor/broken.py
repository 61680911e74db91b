"""An installation in good health, and the ways to break it."""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from crossmodal.images.decode import DecodeLimits
from crossmodal.indexes import cache_file
from crossmodal.store import Store
from crossmodal.store.checksums import embedding_checksum
from doctor.finding import Finding, Installation
from doctor.run import CHECKS, examine
from engine.models.loading import load_model
from tests.app_parts import make_live_app, png
from tests.tiny import COLOURS, THINGS, shared_resnet

PROJECT = Path(__file__).resolve().parents[2]


def healthy(folder: Path) -> Path:
    """Twenty things under their own titles, all that belongs to them, closed."""
    folder.mkdir(parents=True, exist_ok=True)
    shared_resnet().save(folder / "trained_model.pth")
    live = make_live_app(folder, load_model(folder / "trained_model.pth"))
    for seed in (0, 1):
        for colour in COLOURS:
            for thing in THINGS:
                live.add_new_item(png(colour, thing, seed), f"{colour} {thing} {seed}")
    live.close()
    return folder


def place_of(folder: Path) -> Installation:
    return Installation(PROJECT, folder, folder / "catalog.sqlite3", folder / "image_features.pt", folder / "trained_model.pth")


def examined(folder: Path, *, but: tuple[str, ...] = ("tokenizer", "versions", "disk")) -> dict[str, str]:
    """Code → cure of every fault; the slow checks and those of the computer are left out."""
    return {code: finding.cure for code, finding in findings_of(folder, but=but).items() if finding.fault}


def findings_of(folder: Path, *, but: tuple[str, ...] = ("tokenizer", "versions", "disk")) -> dict[str, Finding]:
    """Every finding by its code."""
    kept = tuple(name for name, _ in CHECKS if name not in but)
    checks = examine(place_of(folder), DecodeLimits(), only=kept)
    return {finding.code: finding for made in checks for finding in made.findings}


def damage_the_store(folder: Path) -> None:
    """A page in the middle is another file's."""
    path = folder / "catalog.sqlite3"
    data = bytearray(path.read_bytes())
    data[4096 : 4096 * 3] = b"\xa5" * 8192
    path.write_bytes(bytes(data))


def lose_the_model(folder: Path) -> None:
    (folder / "trained_model.pth").unlink()


def refuse_the_model(folder: Path) -> None:
    (folder / "trained_model.pth").write_bytes(b"<!doctype html>")


def make_rows_identical(folder: Path) -> None:
    _rewrite(folder, lambda rows: np.repeat(rows[:1], len(rows), axis=0))


def put_nan_in(folder: Path) -> None:
    def broken(rows: np.ndarray) -> np.ndarray:
        rows[3, 5] = np.nan
        return rows

    _rewrite(folder, broken)


def add_placeholders(folder: Path) -> None:
    """Grey tiles, as earlier systems put in the place of a picture that could not be fetched."""
    import io

    from PIL import Image

    live = make_live_app(folder, load_model(folder / "trained_model.pth"))
    for grey in (127, 128, 129):
        out = io.BytesIO()
        Image.new("RGB", (224, 224), (grey, grey, grey)).save(out, "PNG")
        live.add_new_item(out.getvalue(), f"grey {grey}")
    live.close()


def change_the_model(folder: Path) -> None:
    model = load_model(folder / "trained_model.pth")
    with torch.no_grad():
        model.system.temperature += 0.1
    model.save(folder / "trained_model.pth")


def shuffle_the_cache(folder: Path) -> None:
    """A sound file with the right tag whose rows stand under other ids."""
    model = load_model(folder / "trained_model.pth")
    path = folder / "image_features.pt"
    with Store(folder / "catalog.sqlite3") as store:
        tag, ids, rows = cache_file.read(
            path, kind="exact", store_uuid=store.store_uuid, model_id=model.model_id, embed_dim=model.spec.embed_dim
        )
    rolled = rows.clone().roll(1, dims=0)
    cache_file.write(path, kind="exact", tag=tag, item_ids=ids.clone(), embeddings=rolled)


def lose_words(folder: Path) -> None:
    with sqlite3.connect(folder / "catalog.sqlite3") as db:
        db.execute("DELETE FROM words WHERE rowid = 3")
        db.execute("UPDATE words SET title = 'of another' WHERE rowid = 5")
    db.close()


def _rewrite(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Embeddings changed in the file itself, their checksums with them, and the cache gone: what no checksum finds."""
    (folder / "image_features.pt").unlink()
    with sqlite3.connect(folder / "catalog.sqlite3") as db:
        found = db.execute(
            "SELECT seq, content_hash, model_id, embedding FROM embeddings JOIN items USING (item_id) JOIN models USING (model_no)"
            " ORDER BY seq"
        ).fetchall()
        rows = change(np.stack([np.frombuffer(row[3], "<f4") for row in found]).copy())
        for (seq, content_hash, model_id, _), row in zip(found, rows, strict=True):
            blob = row.astype("<f4").tobytes()
            db.execute(
                "UPDATE embeddings SET embedding = ?, checksum = ? WHERE seq = ?",
                (blob, embedding_checksum(content_hash, model_id, blob), seq),
            )
    db.close()


@dataclass(frozen=True)
class Break:
    """A way to break an installation, and what the doctor has to say of it."""

    how: Callable[[Path], None]
    code: str
    cure: str

    def of(self, healthy_folder: Path, folder: Path) -> Path:
        copy = Path(shutil.copytree(healthy_folder, folder))
        self.how(copy)
        return copy


BREAKS = {
    "store": Break(damage_the_store, "store_damaged", "&& python cli.py index"),
    "lost model": Break(lose_the_model, "model_missing", "python cli.py index --repair"),
    "refused model": Break(refuse_the_model, "model_refused", "python cli.py index --repair"),
    "identical rows": Break(make_rows_identical, "identical_rows", "python cli.py index --repair"),
    "placeholders": Break(add_placeholders, "placeholder_pictures", "python cli.py remove 21 22 23"),
    "changed model": Break(change_the_model, "model_changed", "python cli.py index --repair"),
    "nan": Break(put_nan_in, "embeddings_not_finite", "python cli.py index --repair"),
    "words": Break(lose_words, "words_disagree", "python cli.py index --repair"),
    "cache": Break(shuffle_the_cache, "cache_disagrees", "python cli.py index --repair"),
}
