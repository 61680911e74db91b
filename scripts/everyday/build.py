"""Computes the constants of the built-in model: `crossmodal/backbones/everyday.safetensors` and `everyday_words.txt`.

    python -m scripts.everyday.build --photos FOLDER

Needs the two packages of requirements-weights.txt, Debian's `wordnet-base`, and a folder of a few thousand ordinary photos. Of the photos
only means, frequencies and principal components are kept; their titles are not read. The shipped file comes from the 6,000 photos of the
training side of Flickr8k.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from config import Settings
from crossmodal.backbones.efficientnet_lite import CLASSES, EfficientNetLite0, published_names
from crossmodal.backbones.everyday import (
    CLASS_WORD_DIM,
    CLASS_WORDS,
    CONSTANTS,
    LITE0,
    MINILM,
    PROMPT,
    VISUAL_DIM,
    published_file,
    sentences,
    stem_of,
    unit,
    word_fits,
)
from crossmodal.backbones.minilm import MiniLM, load_minilm
from crossmodal.backbones.weights import WeightsSource, read_state
from crossmodal.images.decode import decode_picture
from crossmodal.images.transforms import to_model_input
from crossmodal.text.cleaning import words
from crossmodal.torchvision_compat import import_torchvision
from initialize import decode_limits
from scripts.everyday.scenes import scenes_of
from scripts.everyday.wordnet import above, meanings_of, read_nouns

HERE = Path(__file__).parent
PROMPTS = ("{}", PROMPT, "a {} in the picture", "there is a {}", "a picture showing a {} outdoors")
SCENE_WEIGHT, GLOSS_WEIGHT, RIDGE = 2.0, 0.5, 1.0
HYPERNYM_DECAY, SCENE_WORD_WEIGHT = 0.85, 0.6
_STOP_WORDS = """a an the of in on at and or with to for is are by from into its his her their up down out over one that this it as some
other used such any having very often usually two three be not"""
_BATCH = 32


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of ordinary photos")
    parser.add_argument("--list", type=Path, help="a file that names those of the folder to use, one on each line")
    asked = parser.parse_args()
    names = asked.list.read_text("utf-8").split() if asked.list else sorted(path.name for path in asked.photos.iterdir())
    torch.manual_seed(0)
    constants, known = text_constants()
    with torch.inference_mode():
        constants |= photo_constants(constants, seen_in([asked.photos / name for name in names], constants))
    write(constants, known)


def text_constants() -> tuple[dict[str, Tensor], list[str]]:
    """Everything that follows from texts and the classifier's weights; and the class words."""
    import_torchvision()
    from torchvision.models import EfficientNet_B0_Weights

    classes: list[str] = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    nouns = read_nouns()
    meanings = meanings_of(classes, nouns)
    higher = [above(meaning, nouns) for meaning in meanings]
    scenes = scenes_of(classes, [[nouns[offset].words[0] for offset in each] for each in higher])
    glosses = [f"{name}: {nouns[meaning].gloss.split(';')[0]}" for name, meaning in zip(classes, meanings, strict=True)]
    minilm = load_minilm("minilm-l6", WeightsSource(file=published_file(MINILM).parent)).eval()

    named = unit(
        sum((embedded(minilm, [prompt.format(name) for name in classes]) for prompt in PROMPTS), torch.zeros(CLASSES, 384))
    )
    shown = unit(torch.stack([embedded(minilm, each).mean(0) for each in scenes]))
    embeddings = unit(named + SCENE_WEIGHT * shown + GLOSS_WEIGHT * embedded(minilm, glosses))
    short = _lines("short_questions.txt")
    prompted = embedded(minilm, [PROMPT.format(text) for text in short])
    parts = [
        [(name, 1.0), *((word, HYPERNYM_DECAY**steps) for offset, steps in each.items() for word in nouns[offset].words)]
        + [(scene, SCENE_WORD_WEIGHT) for scene in said]
        for name, each, said in zip(classes, higher, scenes, strict=True)
    ]
    known, weights = class_words(parts)
    return {
        "class_embeddings": embeddings,
        "class_map": linear_map(lite0().classifier.weight, embeddings),
        "sentence_mean": embedded(minilm, _lines("captions.txt")).mean(0),
        "short_mean": unit(embedded(minilm, short) + prompted).mean(0),
        "word_weights": weights,
    }, known


def lite0() -> EfficientNetLite0:
    """The published network."""
    network = EfficientNetLite0().eval().requires_grad_(False)
    network.load_state_dict(published_names(read_state(published_file(LITE0))))
    return network


def embedded(minilm: MiniLM, texts: Sequence[str]) -> Tensor:
    """`sentences`, a batch at a time."""
    with torch.inference_mode():
        return torch.cat([sentences(minilm, texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)])


def linear_map(classifier: Tensor, embeddings: Tensor) -> Tensor:
    """Ridge regression from the classifier's weight vectors to class embeddings, in its dual form.

    Shape: (1000, 1280) and (1000, d) → (1280, d).
    """
    centred = classifier - classifier.mean(0)
    gram = centred @ centred.T
    weights: Tensor = torch.linalg.solve(
        gram / gram.diag().mean() + RIDGE * torch.eye(len(gram)), unit(embeddings - embeddings.mean(0))
    )
    return centred.T @ weights


def class_words(parts: Sequence[Sequence[tuple[str, float]]]) -> tuple[list[str], Tensor]:
    """The stems that the texts about classes contain, and how strongly each class says each.

    Args:
        parts: for each class, texts with their weights; the largest weight of a word counts.

    Returns:
        n stems, and a tensor (1000, n).
    """
    rows, stop_words = [], set(_STOP_WORDS.split())
    for texts in parts:
        said: dict[str, float] = {}
        for text, weight in texts:
            for word in set(words(text)) - stop_words:
                said[stem_of(word)] = max(weight, said.get(stem_of(word), 0.0))
        rows.append(said)
    place = {stem: number for number, stem in enumerate(dict.fromkeys(stem for said in rows for stem in sorted(said)))}
    weights = torch.zeros(len(rows), len(place))
    for row, said in enumerate(rows):
        for stem, weight in said.items():
            weights[row, place[stem]] = weight
    return list(place), weights


def seen_in(paths: Sequence[Path], constants: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """What the network sees in photos, a batch at a time."""
    network, limits = lite0(), decode_limits(Settings())
    for start in range(0, len(paths), _BATCH):
        pixels = [decode_picture(path.read_bytes(), limits=limits, square_px=224).pixels for path in paths[start : start + _BATCH]]
        images = to_model_input(
            torch.stack([torch.from_numpy(each) for each in pixels]).numpy(), mean=(127 / 255,) * 3, std=(128 / 255,) * 3
        )
        blocks, last = network(images)
        places = last.flatten(2).transpose(1, 2)
        chances = network.classifier(places).softmax(2)
        yield {
            "visual": torch.cat([blocks, places.mean(1)], dim=1),
            "mixed": unit(chances @ constants["class_embeddings"]).mean(1),
            "chances": chances.mean(1),
        }


def photo_constants(constants: dict[str, Tensor], batches: Iterator[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Means, frequencies and principal components over photos."""
    found: dict[str, list[Tensor]] = {"visual": [], "mixed": [], "chances": []}
    for batch in batches:
        for name, rows in batch.items():
            found[name].append(rows)
    visual, mixed, chances = (torch.cat(found[name]) for name in ("visual", "mixed", "chances"))
    pooled = visual[:, -constants["class_map"].shape[0] :]
    seen = chances @ constants["word_weights"]
    frequency = seen.mean(0)
    fits = word_fits(seen, frequency)
    return {
        "pooled_mean": pooled.mean(0),
        "mix_mean": mixed.mean(0),
        "linear_mean": unit((pooled - pooled.mean(0)) @ constants["class_map"]).mean(0),
        "word_frequency": frequency,
        "word_mean": fits.mean(0),
        "word_factors": principal(fits, CLASS_WORD_DIM),
        "visual_mean": visual.mean(0),
        "visual_map": principal(visual, VISUAL_DIM),
    }


def principal(rows: Tensor, count: int) -> Tensor:
    """The first principal components. Shape: (n, d) → (d, count), orthonormal columns."""
    centred = (rows - rows.mean(0)).double()
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    leading: Tensor = vectors.flip(1)[:, :count]
    signs = leading.gather(0, leading.abs().argmax(0, keepdim=True)).sign()  # an eigenvector's sign is arbitrary
    return (leading * signs).float()


def write(constants: dict[str, Tensor], known: list[str]) -> None:
    """Write both files; large matrices in half precision, word weights by place and value."""
    weights = constants.pop("word_weights")
    classes, columns = weights.nonzero(as_tuple=True)
    kept: dict[str, Any] = {name: value.half() if value.dim() == 2 else value.float() for name, value in constants.items()}
    kept |= {"word_classes": classes.short(), "word_columns": columns.short(), "word_values": weights[classes, columns].half()}
    save_file({name: value.contiguous() for name, value in kept.items()}, CONSTANTS)
    CLASS_WORDS.write_text("\n".join(known) + "\n", "utf-8")


def _lines(name: str) -> list[str]:
    return [line for line in (HERE / name).read_text("utf-8").splitlines() if line.strip()]


if __name__ == "__main__":
    main()
