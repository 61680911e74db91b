"""CLIP (Radford et al. 2021) and SigLIP (Zhai et al. 2023) through `transformers`: two frozen backbones of one checkpoint.

Each side gives one vector in a joint space. `clip` is ViT-B/32 of OpenAI; `clip:ORGANISATION/NAME` is any other checkpoint of either kind.
"""

import hashlib
import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from crossmodal.backbones.base import Config, Features, ImageBackbone, TextBackbone, WholeBackbone, vectors
from crossmodal.backbones.config import only, picture_settings, preprocessing, refused, settle
from crossmodal.backbones.hugging_face import (
    HASHED,
    Subwords,
    find_checkpoint,
    import_transformers,
    is_gemma,
    json_of,
    load_config,
    network_settings,
    origin_of,
    pad_id_of,
    preprocessor_of,
    tokenizer_of,
    with_positions,
)
from crossmodal.backbones.mapped import fill, mapped_tensors, on_meta
from crossmodal.backbones.vit import picture_settings_of
from crossmodal.backbones.weights import WeightsSource, missing
from crossmodal.errors import StoreError
from crossmodal.hub.download import record_path
from crossmodal.hub.files import located, portable, read_record, recorded
from crossmodal.items import Fit

log = logging.getLogger(__name__)

B = TypeVar("B", "CLIPImage", "CLIPText")

NAME = "clip"
DEFAULT = "openai/clip-vit-base-patch32"

LAYERS: Config = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
PICTURES: Config = {**LAYERS, "patch_size": 32}
WORDS: Config = {
    **LAYERS,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_attention_heads": 8,
    "vocab_size": 49_408,
    "max_position_embeddings": 77,
    "pad_token_id": 1,
    "eos_token_id": 49_407,
}
SHARED: Config = {"kind": "clip", "projection_dim": 512, "files": "", "files_digest": ""}
"""`files` is the record of a checkpoint's files, from which the weights are mapped; without one they are saved with a model."""
TEXTS: Config = {"max_tokens": 77, "tokenizer": HASHED, "lower_case": False, "logit_scale": math.log(1 / 0.07), "logit_bias": 0.0}
"""The `tokenizer` is JSON text, `HASHED`, or `IN_FILES`. `exp(logit_scale)` is the factor on the cosine, to which SigLIP adds `logit_bias`
before the sigmoid."""

IN_FILES = "in files"
_BICUBIC = 3
_IMAGE_PARTS = {"vision_model.": "network.", "visual_projection.": "projection."}
_TEXT_PARTS = {"text_model.": "network.", "text_projection.": "projection."}


class CLIPImage(WholeBackbone, ImageBackbone):
    """The image side. Its feature is one vector: the projected class token of CLIP or the pooled patches of SigLIP.

    Args:
        name: `clip` or `clip:ORGANISATION/NAME`.
        given: settings to change: those of `PICTURES` and `SHARED`, `image_size_px`, `fit`, `scaling` or `mean` and `std`.
    """

    pooling = "first"

    def __init__(self, name: str = NAME, given: Config | None = None) -> None:
        settings = settle(name, {**picture_settings(224, "clip"), "fit": "crop", **SHARED, **PICTURES}, given)
        super().__init__(name, features=_features(name, settings), blocks=0)
        self.settings = settings
        self.preprocessing = preprocessing(settings)
        config, model = _parts(settings, "Vision")
        sizes = {key: settings[key] for key in PICTURES}
        self.network = _built(model, config(image_size=settings["image_size_px"], **sizes))
        self.projection = _projection(settings)

    def config(self) -> Config:
        """See `Backbone`."""
        return dict(self.settings)

    def stem(self, images: Tensor, trainable_blocks: int) -> Features:
        """See `ImageBackbone`; 0 blocks only."""
        self.check_blocks(trainable_blocks)
        if not len(images):
            return vectors(images.new_zeros((0, self.features)))
        return vectors(self.projection(self.network(pixel_values=images).pooler_output))

    def outside_state(self) -> dict[str, Tensor]:
        """See `Backbone`."""
        return _outside(self.settings, _IMAGE_PARTS, self.state_dict())

    def digest(self) -> str:
        """See `Backbone`; the record's digest stands for weights in files."""
        return super().digest() if not self.settings["files"] else _digest(self.name, self.settings)


class CLIPText(WholeBackbone, TextBackbone):
    """The text side. Its feature is one vector: the projected state at the end of the text.

    Args:
        name: `clip` or `clip:ORGANISATION/NAME`.
        given: settings to change: those of `WORDS`, `SHARED` and `TEXTS`.
    """

    pooling = "first"

    def __init__(self, name: str = NAME, given: Config | None = None) -> None:
        settings = settle(name, {**SHARED, **WORDS, **TEXTS}, given)
        super().__init__(name, features=_features(name, settings), blocks=0)
        if settings["tokenizer"] == HASHED and settings["kind"] == "clip":
            settings["eos_token_id"] = settings["vocab_size"] - 1  # where the network looks for the end of a text
        self.settings = settings
        self.tokens = Subwords(
            _tokenizer_in(settings) if settings["tokenizer"] == IN_FILES else settings["tokenizer"],
            vocab_size=settings["vocab_size"],
            max_tokens=min(settings["max_tokens"], settings["max_position_embeddings"]),
            pad_id=settings["pad_token_id"],
            fixed=settings["kind"] == "siglip",
            lower_case=settings["lower_case"],
        )
        config, model = _parts(settings, "Text")
        sizes = {key: settings[key] for key in WORDS}
        if settings["kind"] == "siglip":
            sizes["projection_size"] = settings["projection_dim"]
        self.network = _built(model, config(bos_token_id=settings["vocab_size"] - 2, **sizes))
        self.projection = _projection(settings)

    def config(self) -> Config:
        """See `Backbone`."""
        return dict(self.settings)

    def stem(self, texts: Sequence[str], trainable_blocks: int) -> Features:
        """See `TextBackbone`; 0 blocks only."""
        self.check_blocks(trainable_blocks)
        if not texts:
            return vectors(next(self.parameters()).new_zeros((0, self.features)))
        ids, mask = (tensor.to(next(self.parameters()).device) for tensor in self.tokens(texts))
        seen = {} if self.tokens.fixed else {"attention_mask": mask}  # SigLIP was trained with its padding unmasked
        return vectors(self.projection(self.network(input_ids=ids, **seen).pooler_output))

    def outside_state(self) -> dict[str, Tensor]:
        """See `Backbone`."""
        return _outside(self.settings, _TEXT_PARTS, self.state_dict())

    def digest(self) -> str:
        """See `Backbone`; the record's digest stands for weights in files."""
        return super().digest() if not self.settings["files"] else _digest(self.name, self.settings)


def load_clip_image(name: str, source: WeightsSource, given: Config | None = None) -> CLIPImage:
    """The image side of a checkpoint, mapped from its file.

    Raises:
        WeightsError: there is none, or it does not fit.
    """
    changes = only(name, given, "scaling", "mean", "std")
    folder, found = _checkpoint(name, source)
    pictures = picture_settings_of(folder, found.vision_config.image_size, "clip" if found.model_type == "clip" else "symmetric")
    sizes = network_settings(found.vision_config, tuple(PICTURES))
    settings = {
        **sizes,
        **_shared(found),
        **pictures,
        "fit": _fit_of(folder, found.model_type),
        **_files(name, folder, source),
        **changes,
    }
    backbone: CLIPImage = on_meta(CLIPImage, name, settings)
    return _filled(backbone, folder, _IMAGE_PARTS)


def load_clip_text(name: str, source: WeightsSource, given: Config | None = None) -> CLIPText:
    """The text side of a checkpoint, mapped from its file: of SigLIP2's table of tokens, a query reads the rows of its own.

    Raises:
        WeightsError: there is none, or it does not fit.
    """
    changes = only(name, given, "max_tokens")
    folder, found = _checkpoint(name, source)
    tokenizer = tokenizer_of(folder, import_transformers().AutoTokenizer)
    sizes = network_settings(found.text_config, tuple(WORDS))
    sizes["pad_token_id"] = pad_id_of(folder, tokenizer, otherwise=found.text_config.pad_token_id)
    texts = {"max_tokens": sizes["max_position_embeddings"], "tokenizer": tokenizer, **_logits(folder)}
    files = _files(name, folder, source)
    if files:
        texts["tokenizer"] = IN_FILES
    settings = {**sizes, **_shared(found), **texts, **files, "lower_case": _lower_case(folder, found.model_type), **changes}
    backbone: CLIPText = on_meta(CLIPText, name, settings)
    return _filled(backbone, folder, _TEXT_PARTS)


def repository_of(name: str) -> str:
    """The checkpoint that a name stands for.

    Raises:
        QueryError: `bad_request`; what follows `clip:` is no `ORGANISATION/NAME`.
    """
    _, colon, repository = name.partition(":")
    if colon and not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repository, re.ASCII):
        raise refused(name, "names no checkpoint: write clip:ORGANISATION/NAME")
    return repository if colon else DEFAULT


def _checkpoint(name: str, source: WeightsSource) -> tuple[Path, Any]:
    folder = find_checkpoint(name, repository_of(name), source, extra="tokenizer.json")
    return folder, load_config(folder, kinds=("clip", "siglip"), name=name)


def _filled(backbone: B, folder: Path, renamed: dict[str, str]) -> B:
    try:
        fill(backbone, mapped_tensors(folder, renamed))
    except Exception as error:
        log.warning("checkpoint %s refused: %s", folder.name, type(error).__name__)
        what = f"do not fit: {error!s:.80}" if isinstance(error, ValueError) else "cannot be read"
        raise missing(f"The weights in {folder.name} {what}.", f"Put back the whole folder of {backbone.name}.") from error
    backbone.origin = origin_of(folder)
    return backbone


def _files(name: str, folder: Path, source: WeightsSource) -> Config:
    """The settings that name the files of a checkpoint, if there is a folder for their record."""
    if source.folder is None:
        return {}
    repository = repository_of(name)
    try:
        record = recorded(folder, record_path(repository, source.folder), repository=repository)
    except StoreError as error:  # nothing can be written there: the weights are saved with the model
        log.info("no record of %s: %s", folder.name, error)
        return {}
    return {"files": portable(record.path), "files_digest": record.digest}


def _folder_of(settings: dict[str, Any]) -> Path:
    """The folder of a checkpoint whose files are those that were recorded.

    Raises:
        WeightsError: they are missing or others.
    """
    record = read_record(located(settings["files"])).check()
    if record.digest != settings["files_digest"]:
        what = f"The files in {record.folder.name} are not those that this model was made of."
        raise missing(what, "Put back the earlier folder, or make the model again of these files.")
    return record.folder


def _tokenizer_in(settings: dict[str, Any]) -> str:
    return tokenizer_of(_folder_of(settings), import_transformers().AutoTokenizer)


def _outside(settings: dict[str, Any], renamed: dict[str, str], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if not settings["files"]:
        return {}
    folder = _folder_of(settings)
    try:
        found = mapped_tensors(folder, renamed)
        return {name: found[name].detach().to(expected.dtype) for name, expected in wanted.items()}
    except Exception as error:
        log.warning("checkpoint %s refused: %s", folder.name, type(error).__name__)
        raise missing(f"The weights in {folder.name} cannot be read.", "Put back the whole folder.") from error


def _digest(name: str, settings: dict[str, Any]) -> str:
    """The same wherever the files lie."""
    text = json.dumps({key: value for key, value in settings.items() if key != "files"}, sort_keys=True)
    return hashlib.sha256(f"{name}\n{text}".encode()).hexdigest()


def _fit_of(folder: Path, kind: str) -> Fit:
    """SigLIP reads the whole picture as a square, CLIP the middle of it."""
    read = preprocessor_of(folder)
    size = read.get("size")
    squash = {"height", "width"} <= size.keys() if isinstance(size, dict) else kind == "siglip" and size is None
    bicubic = read.get("resample", _BICUBIC if kind == "clip" else None) == _BICUBIC
    if squash:
        return "bicubic squash" if bicubic else "squash"
    return "bicubic crop" if bicubic else "crop"


def _lower_case(folder: Path, kind: str) -> bool:
    """SigLIP was trained on lower case. Its own tokenizer makes it, Gemma's does not."""
    settings = json_of(folder, "tokenizer_config.json")
    return kind == "siglip" and (is_gemma(settings) or settings.get("do_lower_case") is not False)


def _logits(folder: Path) -> Config:
    """What turns a cosine into a probability, as far as the checkpoint has it."""
    try:
        return {name: value.item() for name, value in mapped_tensors(folder, {"logit_": "logit_"}).items() if value.numel() == 1}
    except Exception as error:  # noqa: BLE001 - of a damaged file; reading the rest of it says what is wrong
        log.info("no scale in %s: %s", folder.name, type(error).__name__)
        return {}


def _shared(found: Any) -> Config:
    projection = found.projection_dim if found.model_type == "clip" else found.text_config.projection_size
    return {"kind": found.model_type, "projection_dim": projection}


def _features(name: str, settings: dict[str, Any]) -> int:
    if settings["kind"] not in ("clip", "siglip"):
        raise refused(name, f"is of kind clip or siglip, not {settings['kind']!r:.40}")
    if settings["kind"] == "siglip" and "patch_size" in settings:
        return int(settings["hidden_size"])  # SigLIP pools its patches and projects no further
    return int(settings["projection_dim"])


def _parts(settings: dict[str, Any], side: str) -> tuple[Any, Any]:
    transformers = import_transformers()
    kind = "CLIP" if settings["kind"] == "clip" else "Siglip"
    return getattr(transformers, f"{kind}{side}Config"), getattr(transformers, f"{kind}{side}Model")


def _built(model: Any, config: Any) -> nn.Module:
    config._attn_implementation = "sdpa"
    return with_positions(model(config))


def _projection(settings: dict[str, Any]) -> nn.Module:
    if settings["kind"] == "siglip":
        return nn.Identity()
    return nn.Linear(settings["hidden_size"], settings["projection_dim"], bias=False)
