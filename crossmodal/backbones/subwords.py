"""Texts to token numbers for the transformers: a checkpoint's own tokenizer, or hashed words where there is no checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crossmodal.backbones.weights import missing
from crossmodal.errors import CheckpointError
from crossmodal.text.cleaning import plain_text, words
from crossmodal.text.tokenizer import TOKENIZER_VERSION, buckets

HASHED = f"hashed words, {TOKENIZER_VERSION}"
"""What stands in a config in place of a tokenizer's JSON: numbers by hashing, so that a network without a checkpoint can be trained too."""

OLDER_FILES = ("vocab.txt", "vocab.json", "spiece.model")
"""Where folders without `tokenizer.json` have their vocabulary."""


class Subwords:
    """Texts to token numbers.

    Args:
        description: `tokenizer.json` as text, or `HASHED`.
        vocab_size: tokens there are; hashed words use all of them, the last two as start and end of a text.
        max_tokens: tokens of a text that are read, start and end among them.
        pad_id: token that fills up.
        fixed: fill up to `max_tokens` always, as SigLIP was trained.

    Raises:
        CheckpointError: the description is no tokenizer, or one with more tokens than the network knows.
    """

    def __init__(self, description: str, *, vocab_size: int, max_tokens: int, pad_id: int, fixed: bool = False) -> None:
        self.description = description
        self.vocab_size, self.max_tokens, self.pad_id, self.fixed = vocab_size, max_tokens, pad_id, fixed
        self._tokenizer = None if description == HASHED else _tokenizer(description, max_tokens)
        if self._tokenizer is not None and self._tokenizer.get_vocab_size() > vocab_size:
            raise _refused("knows more tokens than the network")

    def __deepcopy__(self, memo: dict[int, object]) -> "Subwords":
        return self  # never changed after it is made

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token numbers and where there are any. Shape: n texts → (n, longest) int64, (n, longest) bool; no text gives (0, 1)."""
        found = [self._ids(text) for text in texts]
        longest = self.max_tokens if self.fixed else max(map(len, found), default=1)
        ids = torch.tensor([row + [self.pad_id] * (longest - len(row)) for row in found], dtype=torch.int64).reshape(-1, longest)
        lengths = torch.tensor([len(row) for row in found], dtype=torch.int64)
        return ids, torch.arange(longest) < lengths[:, None]

    def _ids(self, text: str) -> list[int]:
        if self._tokenizer is not None:
            # One text at a time: the library's batches start threads that do not survive a fork. Never empty: a mask wants a True.
            return list(self._tokenizer.encode(plain_text(text)).ids) or [self.pad_id]
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
            return (folder / "tokenizer.json").read_text(encoding="utf-8")
        if not any((folder / name).is_file() for name in OLDER_FILES):  # the library would make up an empty one
            raise FileNotFoundError(folder)
        loaded = load.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return str(loaded.backend_tokenizer.to_str())
    except Exception as error:
        raise missing(
            f"The folder {folder.name} has no tokenizer that can be read.", "Put its tokenizer.json beside config.json."
        ) from error


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
