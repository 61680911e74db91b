"""Adapter of the `transformers` library: imported late, silenced, and always offline."""

import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from crossmodal.backbones.base import Config, Origin
from crossmodal.backbones.download import from_cache
from crossmodal.backbones.weights import WeightsSource, local_folder, missing
from crossmodal.errors import CheckpointError, WeightsError
from crossmodal.hub.download import download
from crossmodal.text.cleaning import plain_text, words
from crossmodal.text.tokenizer import TOKENIZER_VERSION, buckets
from crossmodal.torchvision_compat import import_torchvision

log = logging.getLogger(__name__)


def import_transformers() -> ModuleType:
    """`transformers`, without its warnings and progress bars.

    torchvision is imported first: if it fails to load, no model of the library loads (see `crossmodal.torchvision_compat`).
    """
    import_torchvision()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
    return transformers  # type: ignore[no-any-return]


def find_checkpoint(name: str, repository: str, source: WeightsSource, *, extra: str = "") -> Path:
    """The folder of a checkpoint: named by the user, in the weights folder, in the hub's cache, or downloaded from the hub.

    Args:
        name: of the backbone; its folder in the weights folder has this name or the last part of the repository.
        repository: `organisation/name` on the hub.
        extra: required files besides `config.json` and `model.safetensors`, for the message.

    Raises:
        WeightsError: no checkpoint is available; the remedy says which files to put where.
    """
    short = repository.rpartition("/")[2]
    folders = dict.fromkeys([short, name]) if set(name) & set("/:") else dict.fromkeys([name, short])
    folders = dict.fromkeys(folder for folder in folders if not set(folder) & set("/:"))
    folder = local_folder(source, *folders) or (from_cache(repository) if source.file is None else None)
    if folder is not None:
        return folder
    if source.download and source.folder is not None:
        try:
            record = download(
                repository, source.folder, on_progress=source.on_progress, stop=source.stop, answer_s=source.timeout_s
            )
            return record.folder
        except WeightsError as error:
            if error.code not in ("connect_failed", "timeout"):
                raise
            log.info("%s", error)
    files = ", ".join(["config.json", "model.safetensors", *([extra] if extra else [])])
    tried = "could not be downloaded" if source.download else "are not on this computer, and downloading is switched off"
    raise missing(
        f"The weights of {name} {tried}.", f"Put the folder of {repository} ({files}) at {source.place(next(iter(folders)))}/."
    )


def origin_of(folder: Path) -> Origin:
    """The origin of a checkpoint for display; folders of the hub's cache are named after repository and commit."""
    repository = folder.parent.parent.name.removeprefix("models--").replace("--", "/")
    return Origin(
        True, f"Loaded from {repository}." if folder.parent.name == "snapshots" else f"Loaded from the folder {folder.name}."
    )


def load_config(folder: Path, *, kinds: tuple[str, ...], name: str) -> Any:
    """The configuration of a checkpoint.

    Raises:
        WeightsError: it cannot be read, or its model type is not one of `kinds`.
    """
    try:
        found = import_transformers().AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        log.warning("checkpoint %s refused: %s", folder.name, type(error).__name__)
        raise missing(f"The config.json in {folder.name} cannot be read.", f"Put back the whole folder of {name}.") from error
    if found.model_type not in kinds:
        raise missing(
            f"{folder.name} holds a network of kind {found.model_type!r:.40}, not {' or '.join(kinds)}.", f"Name one for {name}."
        )
    return found


def load_network(model: Any, folder: Path, *, name: str, **options: object) -> nn.Module:
    """A network of the library with the weights of a checkpoint, in float32; `.bin` files are read as tensors only.

    Args:
        model: a model class of the library.
        options: further arguments of its constructor.

    Raises:
        WeightsError: weights are missing, damaged, of another shape, or not finite.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network, found = model.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, attn_implementation="sdpa", output_loading_info=True, **options
            )
    except Exception as error:
        log.warning("checkpoint %s refused: %s", folder.name, type(error).__name__)
        raise missing(f"The weights in {folder.name} cannot be read.", f"Put back the whole folder of {name}.") from error
    wrong = [*found["missing_keys"], *found["mismatched_keys"]]
    wrong += [key for key, value in network.state_dict().items() if not bool(value.isfinite().all())]
    if wrong:
        raise missing(f"The weights in {folder.name} do not fit {name}: {wrong[0]!s:.80}.", f"Put back the whole folder of {name}.")
    return network  # type: ignore[no-any-return]


def network_settings(config: Any, keys: tuple[str, ...]) -> Config:
    """The values of these keys of a configuration of the library."""
    return {key: getattr(config, key) for key in keys}


def with_positions(network: nn.Module) -> nn.Module:
    """Create the position buffers of a network, which no state_dict contains, so that one built on the meta device is complete."""
    for module in network.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if name in module._non_persistent_buffers_set:
                counted = (
                    torch.arange(buffer.shape[-1], device="cpu")
                    if name == "position_ids"
                    else torch.zeros(buffer.shape[-1], device="cpu")
                )
                setattr(module, name, counted.long().expand(1, -1))
    return network


HASHED = f"hashed words, {TOKENIZER_VERSION}"
"""In a config in place of a tokenizer's JSON: token ids by hashing, for a network without a checkpoint."""

OLDER_FILES = ("vocab.txt", "vocab.json", "spiece.model")
"""Vocabulary files of checkpoints without `tokenizer.json`."""


class Subwords:
    """Subword tokenizer.

    Args:
        description: `tokenizer.json` as text, or `HASHED`.
        vocab_size: number of tokens; hashed words use all of them, the last two as start and end of a text.
        max_tokens: maximum number of tokens of a text, including start and end.
        pad_id: the padding token.
        fixed: always pad to `max_tokens`, as in the training of SigLIP.
        lower_case: make texts lower case first, for a network that was trained on such while its tokenizer keeps capitals.

    Raises:
        CheckpointError: the description is not a tokenizer, or has more tokens than the network.
    """

    def __init__(
        self,
        description: str,
        *,
        vocab_size: int,
        max_tokens: int,
        pad_id: int,
        fixed: bool = False,
        lower_case: bool = False,
    ) -> None:
        self.description = description
        self.vocab_size, self.max_tokens, self.pad_id, self.fixed = vocab_size, max_tokens, pad_id, fixed
        self.lower_case = lower_case
        self._tokenizer = None if description == HASHED else _tokenizer(description, max_tokens)
        if self._tokenizer is not None and self._tokenizer.get_vocab_size() > vocab_size:
            raise _refused("knows more tokens than the network")

    def __deepcopy__(self, memo: dict[int, object]) -> "Subwords":
        return self  # immutable

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token ids and their mask. Shape: n texts → (n, longest) int64, (n, longest) bool; no text gives (0, 1)."""
        found = [self._ids(text) for text in texts]
        longest = self.max_tokens if self.fixed else max(map(len, found), default=1)
        ids = torch.tensor([row + [self.pad_id] * (longest - len(row)) for row in found], dtype=torch.int64).reshape(-1, longest)
        lengths = torch.tensor([len(row) for row in found], dtype=torch.int64)
        return ids, torch.arange(longest) < lengths[:, None]

    def _ids(self, text: str) -> list[int]:
        if self._tokenizer is not None:
            plain = plain_text(text).lower() if self.lower_case else plain_text(text)
            # One text at a time: the batches of the library start threads that do not survive a fork. Never empty: a mask needs a True.
            return list(self._tokenizer.encode(plain).ids) or [self.pad_id]
        read = words(text)[: self.max_tokens - 2]
        return [self.vocab_size - 2, *(buckets(word, self.vocab_size - 2)[0] for word in read), self.vocab_size - 1]


def tokenizer_of(folder: Path, load: Any) -> str:
    """The tokenizer of a checkpoint's folder as JSON text.

    Args:
        load: `AutoTokenizer` of `transformers`, for folders that have older files in place of `tokenizer.json`.

    Raises:
        WeightsError: there is none, or it cannot be read.
    """
    try:
        if (folder / "tokenizer.json").is_file():
            return _with_ends((folder / "tokenizer.json").read_text(encoding="utf-8"), json_of(folder, "tokenizer_config.json"))
        if not any((folder / name).is_file() for name in OLDER_FILES):  # the library would make up an empty one
            raise FileNotFoundError(folder)
        loaded = load.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return str(loaded.backend_tokenizer.to_str())
    except Exception as error:
        raise missing(
            f"The folder {folder.name} has no tokenizer that can be read.", "Put its tokenizer.json beside config.json."
        ) from error


def _with_ends(description: str, settings: dict[str, Any]) -> str:
    """A Gemma tokenizer with the start and end tokens of `tokenizer_config.json`, which the library puts above those of the JSON."""
    from tokenizers import Tokenizer, processors

    if not is_gemma(settings) or not {"add_bos_token", "add_eos_token"} & settings.keys():
        return description
    tokenizer = Tokenizer.from_str(description)
    first, last = (
        _token(settings, "bos") if settings.get("add_bos_token") else "",
        _token(settings, "eos") if settings.get("add_eos_token") else "",
    )
    special = [(token, tokenizer.token_to_id(token)) for token in dict.fromkeys(filter(None, (first, last)))]
    if tokenizer.encode("").ids == [tokenizer.token_to_id(token) for token in (first, last) if token]:
        return description
    template = " ".join(filter(None, (first, "$A", last)))
    tokenizer.post_processor = processors.TemplateProcessing(single=template, pair=f"{template} $B", special_tokens=special)
    return str(tokenizer.to_str())


def is_gemma(settings: dict[str, Any]) -> bool:
    """Whether `tokenizer_config.json` names the tokenizer of Gemma, which SigLIP2 has."""
    return str(settings.get("tokenizer_class", "")).startswith("Gemma")


def pad_id_of(folder: Path, description: str, *, otherwise: int) -> int:
    """The padding token of a checkpoint: as its tokenizer's files name it, else `otherwise`.

    The `config.json` of SigLIP2 is no source: its default, 1, is another token of Gemma's vocabulary.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(description)
    named = (json_of(folder, name).get("pad_token") for name in ("tokenizer_config.json", "special_tokens_map.json"))
    tokens = [token.get("content") if isinstance(token, dict) else token for token in named]
    for token in (*tokens, (tokenizer.padding or {}).get("pad_token"), "<pad>"):
        if isinstance(token, str) and (found := tokenizer.token_to_id(token)) is not None:
            return int(found)
    return otherwise


def _token(settings: dict[str, Any], which: str) -> str:
    token = settings.get(f"{which}_token") or f"<{which}>"
    return str(token["content"] if isinstance(token, dict) else token)


def json_of(folder: Path, name: str) -> dict[str, Any]:
    """The object in a JSON file of a checkpoint; empty if there is none or it cannot be read."""
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def preprocessor_of(folder: Path) -> dict[str, Any]:
    """How a checkpoint prepares pictures; newer folders say so in `processor_config.json`. Empty if they do not."""
    found = json_of(folder, "preprocessor_config.json") or json_of(folder, "processor_config.json").get("image_processor")
    return found if isinstance(found, dict) else {}


def _tokenizer(description: str, max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(description)
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens)
    except Exception as error:
        raise _refused("cannot be read") from error
    return tokenizer


def _refused(why: str) -> CheckpointError:
    return CheckpointError(
        "checkpoint_invalid", f"The tokenizer of this model {why}.", remedy="Train anew, or use another model file."
    )
