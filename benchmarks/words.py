"""Text searches by words, by likeness and by both, over catalogues with titles, captions and file names.

    python -m benchmarks.words FOLDER [--model trained_model.pth]

FOLDER has `fashion_1500` and `flickr8k`, each with `images` and `captions.csv`. Without a model, random embeddings stand in for one: then
joined answers must be as good as those by words. Questions: 300 exact titles and 300 halves of titles; and one caption of each of 1,000
photos, whose other captions are indexed, or one of them, or none. The bars: an exact title is first in 99 %, half a title in the first
five in 95 %, and joined is never more than a point under either signal alone.
"""

import argparse
import csv
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.made_up import MODEL_ID, NO_PIXELS, made_up_embeddings
from crossmodal.errors import CrossmodalError
from crossmodal.images.decode import DecodeLimits
from crossmodal.images.decoder import Decoder
from crossmodal.indexes.exact import ExactIndex
from crossmodal.items import Embedding, NewItem, Picture, WordHit
from crossmodal.ranking.fusion import Found, by_words, joined, nearest_of
from crossmodal.store import Store
from engine.models.loading import load_model
from engine.query import Signal

QUESTIONS, DEV = 300, "dev"
_DEPTHS = (1, 5, 10)
_RRF_RANKS = 60


@dataclass(frozen=True)
class Catalogue:
    """Pictures with their texts, and questions.

    Attributes:
        files: of the pictures.
        titles, captions: of each.
        questions: text and place of the picture that is asked for.
    """

    name: str
    files: list[Path]
    titles: list[str]
    captions: list[list[str]]
    questions: list[tuple[str, int]]


Encode = tuple[Callable[[Sequence[Path]], Embedding], Callable[[Sequence[str]], Embedding]]
"""Encoders of picture files and of texts. Shape: (n, embed_dim), unit length."""


def fashion(folder: Path, *, seed: int = 1) -> list[Catalogue]:
    """Exact titles, and halves of titles: as many of their words, rounded up, in order."""
    rng = random.Random(seed)
    rows = _rows(folder / "fashion_1500")
    titles, files = [row["caption"] for row in rows], [folder / "fashion_1500" / "images" / row["image"] for row in rows]
    asked = rng.sample(range(len(rows)), min(QUESTIONS, len(rows)))
    none: list[list[str]] = [[] for _ in rows]
    halves = [(" ".join(_half(titles[place].split(), rng)), place) for place in asked]
    return [
        Catalogue("fashion, exact titles", files, titles, none, [(titles[place], place) for place in asked]),
        Catalogue("fashion, halves of titles", files, titles, none, halves),
    ]


def flickr(folder: Path) -> list[Catalogue]:
    """The last caption of each photo, with the other four, the first, or none of its captions in the collection."""
    captions = defaultdict[str, list[str]](list)
    for row in _rows(folder / "flickr8k"):
        if row["split"] == DEV:
            captions[row["image"]].append(row["caption"])
    files = [folder / "flickr8k" / "images" / name for name in captions]
    questions = [(texts[-1], place) for place, texts in enumerate(captions.values())]
    none: list[list[str]] = [[] for _ in files]
    first, rest = [texts[0] for texts in captions.values()], [texts[:-1] for texts in captions.values()]
    return [
        Catalogue("photos with four captions", files, first, rest, questions),
        Catalogue("photos with one caption", files, first, none, questions),
        Catalogue("photos with file names", files, [file.stem for file in files], none, questions),
    ]


def measure(catalogue: Catalogue, encode: Encode) -> dict[str, list[float]]:
    """Percent of the questions whose picture is among the first 1, 5 and 10: by each signal, and by reciprocal rank fusion."""
    images, texts = encode[0](catalogue.files), encode[1]([text for text, _ in catalogue.questions])
    places = defaultdict[str, list[float]](list)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "catalog.sqlite3") as store:
        entries = [_entry(catalogue, place, images[place]) for place in range(len(catalogue.files))]
        ids = [item.item_id for item in store.items.add_many(entries, model_id=MODEL_ID)]
        index = ExactIndex(images.shape[1])
        index.add(ids, images)
        for (text, place), row in zip(catalogue.questions, texts, strict=True):
            [hits] = index.search(row[None], len(ids))
            words = store.words.search(text, len(ids))
            cosines = dict(hits)
            found: dict[str, Sequence[Found]] = {
                "joined": joined(hits, words, cosines, nearest=nearest_of(len(ids)), has_rest=False),
                "words": by_words(words, cosines),
                "likeness": joined(hits, [], {}, nearest=1, has_rest=False),
                "reciprocal ranks": reciprocal_ranks([item_id for item_id, _ in hits], words),
            }
            for name, ranking in found.items():
                order = [each.item_id for each in ranking]
                places[name].append(order.index(ids[place]) if ids[place] in order else len(ids))
    return {name: [100.0 * float(np.mean(np.array(ranks) < depth)) for depth in _DEPTHS] for name, ranks in places.items()}


def reciprocal_ranks(near: Sequence[int], words: Sequence[WordHit]) -> list[Found]:
    """The other way to join: by the sum of 1 / (60 + rank) (Cormack et al. 2009)."""
    score = defaultdict[int, float](float)
    for ranking in (near, [hit.item_id for hit in words]):
        for rank, item_id in enumerate(ranking, start=1):
            score[item_id] += 1.0 / (_RRF_RANKS + rank)
    return [Found(item_id, None, "both") for item_id in sorted(score, key=lambda item_id: (-score[item_id], item_id))]


def missed(name: str, figures: dict[str, list[float]]) -> list[str]:
    """Sentences about the bars that a catalogue misses."""
    found = []
    for signal in get_args(Signal)[1:]:
        for depth, alone, both in zip(_DEPTHS, figures[signal], figures["joined"], strict=True):
            if both < alone - 1.0:
                found.append(f"{name}: joined R@{depth} {both:.1f} is under {signal} alone, {alone:.1f}")
    if "exact" in name and figures["joined"][0] < 99.0:
        found.append(f"{name}: first in {figures['joined'][0]:.1f} %")
    if "halves" in name and figures["joined"][1] < 95.0:
        found.append(f"{name}: in the first five in {figures['joined'][1]:.1f} %")
    return found


def encoders(model_path: Path | None) -> Encode:
    """Those of a model file, or random embeddings."""
    if model_path is None:
        return (lambda files: made_up_embeddings(len(files), 64, seed=1), lambda texts: made_up_embeddings(len(texts), 64, seed=2))
    model = load_model(model_path)

    def pictures(files: Sequence[Path]) -> Embedding:
        with Decoder(DecodeLimits(), workers=2) as decoder:
            pixels = [decoder.decode(file.read_bytes(), square_px=model.spec.image_size_px).pixels for file in files]
        return model.encode_pixels(np.stack(pixels))

    return pictures, model.encode_texts


def main() -> int:
    """Print the table; exits with 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    chosen = parser.parse_args()
    wrong = []
    try:
        encode = encoders(chosen.model)
        for catalogue in [*fashion(chosen.folder), *flickr(chosen.folder)]:
            figures = measure(catalogue, encode)
            print(f"{catalogue.name}: R@1, R@5, R@10 of {len(catalogue.questions):,} among {len(catalogue.files):,}")
            for name, recalls in figures.items():
                print(f"  {name:<18}" + "".join(f"{recall:7.1f}" for recall in recalls), flush=True)
            wrong += missed(catalogue.name, figures)
    except CrossmodalError as error:
        wrong = [error.sentence]
    print("\n".join(wrong or ["every bar is met"]))
    return 1 if wrong else 0


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _half(words: Sequence[str], rng: random.Random) -> list[str]:
    return [words[place] for place in sorted(rng.sample(range(len(words)), -(-len(words) // 2)))]


def _entry(catalogue: Catalogue, place: int, embedding: Embedding) -> NewItem:
    file = catalogue.files[place]
    picture = Picture(f"{place:064x}", 1, 1, NO_PIXELS, b"jpeg", b"jpeg")
    return NewItem(file.name, catalogue.titles[place], picture, embedding, "made up", file.name, tuple(catalogue.captions[place]))


if __name__ == "__main__":
    sys.exit(main())
