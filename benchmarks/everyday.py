"""The built-in model on captioned photos it was not made for: words to pictures, single nouns, copies.

    python -m benchmarks.everyday FLICKR8K

FLICKR8K is a folder with `captions.csv` (image, caption, split) and `images/`; its development side is used.
"""

import argparse
import csv
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from config import Settings
from crossmodal.images.decode import decode_picture
from engine.models.build import built_in_model
from engine.models.trained import TrainedModel
from initialize import decode_limits

_NOUNS = """dog man woman girl boy water ball shirt grass child snow field mouth beach bike street hat jacket pool crowd player dirt rock
park ocean mountain building toy tennis skateboard sand camera soccer path hill stick sidewalk lake ramp frisbee baby basketball wall swing
glasses city tree shorts football bench collar baseball wave fence sunglasses car boat playground pants jeans"""
"""60 frequent nouns of the development captions; a picture is relevant if one of its captions has the word, singular or plural."""
_PLURALS = {"man": "men", "woman": "women", "child": "children"}
_BATCH = 32


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    model = built_in_model()
    with (folder / "captions.csv").open(encoding="utf-8") as file:
        rows = [(row["image"], row["caption"]) for row in csv.DictReader(file) if row["split"] == "dev"]
    names = list(dict.fromkeys(name for name, _ in rows))
    pictures = _embedded(model, [folder / "images" / name for name in names])
    texts = model.encode_texts([caption for _, caption in rows])
    owner = np.array([names.index(name) for name, _ in rows])
    scores = texts @ pictures.T
    ranks = (scores > scores[np.arange(len(owner)), owner][:, None]).sum(1)
    print("words -> picture   " + "   ".join(f"R@{k} {100 * float((ranks < k).mean()):.1f} %" for k in (1, 5, 10)))
    nouns = _NOUNS.split()
    said = [set(re.findall("[a-z]+", " ".join(caption for name, caption in rows if name == each).lower())) for each in names]
    relevant = np.array(
        [[bool({noun, f"{noun}s", f"{noun}es", _PLURALS.get(noun, noun)} & each) for each in said] for noun in nouns]
    )
    precision, first_ten = _nouns(model.encode_texts(nouns) @ pictures.T, relevant)
    print(f"{len(nouns)} nouns alone     mAP {precision:.1f} %   P@10 {first_ten:.1f} %   chance {100 * relevant.mean():.1f} %")


def _embedded(model: TrainedModel, paths: list[Path]) -> npt.NDArray[np.float32]:
    limits, found = decode_limits(Settings()), []
    for start in range(0, len(paths), _BATCH):
        pixels = [
            decode_picture(path.read_bytes(), limits=limits, square_px=model.spec.image_size_px).pixels
            for path in paths[start : start + _BATCH]
        ]
        found.append(model.encode_pixels(np.stack(pixels)))
    return np.concatenate(found)


def _nouns(scores: npt.NDArray[np.float32], relevant: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Mean average precision, and the share of the first ten that is relevant, in percent."""
    hits = np.take_along_axis(relevant, (-scores).argsort(1, kind="stable"), axis=1)
    precision = hits.cumsum(1) / np.arange(1, hits.shape[1] + 1)
    return 100 * float(((precision * hits).sum(1) / hits.sum(1)).mean()), 100 * float(hits[:, :10].mean())


if __name__ == "__main__":
    main()
