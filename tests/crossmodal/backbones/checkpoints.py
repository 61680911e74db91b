"""Folders as `transformers` saves them, in a size for tests."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from crossmodal.backbones.hugging_face import import_transformers

LAYERS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
PICTURES = {**LAYERS, "image_size": 32, "patch_size": 16}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "mug", "cup", "in", "the", "##s", ".", "l", "##e", "##p"]


def tokenizer_json() -> str:
    """A WordPiece tokenizer of `WORDS` that adds [CLS] and [SEP]."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_padding(length=128)  # as a published one has it; ours fills up to the longest text only
    return str(tokenizer.to_str())


def network(kind: str) -> Any:
    """A whole model of the library with random weights, in evaluation mode."""
    library = import_transformers()
    torch.manual_seed(0)
    words = {**LAYERS, "vocab_size": len(WORDS)}
    if kind == "vit":
        return library.ViTForImageClassification(library.ViTConfig(**PICTURES)).eval()
    if kind == "bert":
        return library.BertModel(library.BertConfig(**words, max_position_embeddings=32)).eval()
    if kind == "clip":
        words |= {"eos_token_id": 3, "pad_token_id": 0, "max_position_embeddings": 16}
        return library.CLIPModel(library.CLIPConfig(text_config=words, vision_config=PICTURES, projection_dim=8)).eval()
    words |= {"projection_size": 16, "pad_token_id": 0, "max_position_embeddings": 12}
    return library.SiglipModel(library.SiglipConfig(text_config=words, vision_config=PICTURES)).eval()


def save(model: nn.Module, folder: Path, *, preprocessor: dict[str, Any] | None = None) -> Path:
    """The folder with config, weights, tokenizer, and what it says of pictures."""
    model.save_pretrained(folder)  # type: ignore[operator]
    (folder / "tokenizer.json").write_text(tokenizer_json())
    if preprocessor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder
