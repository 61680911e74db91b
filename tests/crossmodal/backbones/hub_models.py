"""SigLIP2 and CLIP as their publishers save them, in a size for tests: the files, their names and the shapes of the true ones."""

import json
from pathlib import Path
from typing import Any

import torch

from crossmodal.backbones.hugging_face import import_transformers

LAYERS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
LETTERS = [chr(code) for code in range(ord("!"), ord("~") + 1)]


def save_siglip2(folder: Path, *, shards: str | None = None) -> Any:
    """A folder like that of `google/siglip2-base-patch32-256`; returns the network of the library.

    Args:
        shards: size of a file of weights, as the library takes it ("20KB"); None writes one file.
    """
    library = import_transformers()
    folder.mkdir(parents=True, exist_ok=True)
    tokens = _gemma_tokenizer(folder)
    torch.manual_seed(1)
    text = {**LAYERS, "vocab_size": tokens, "projection_size": 32, "max_position_embeddings": 64}
    config = library.SiglipConfig(text_config=text, vision_config={**LAYERS, "image_size": 64, "patch_size": 16})
    model = library.SiglipModel(config).eval()
    _spread(model)
    model.save_pretrained(folder, **({"max_shard_size": shards} if shards else {}))
    saved = json.loads((folder / "config.json").read_text())
    for side in ("text_config", "vision_config"):  # the true file names no token; the library's default for padding is 1
        saved[side] = {key: value for key, value in saved[side].items() if not key.endswith("_token_id")}
    (folder / "config.json").write_text(json.dumps(saved))
    half = [0.5, 0.5, 0.5]
    pictures = {"do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "do_convert_rgb": None}
    pictures |= {"image_mean": half, "image_std": half, "resample": 2, "size": {"height": 64, "width": 64}}
    pictures |= {"image_processor_type": "SiglipImageProcessor", "processor_class": "SiglipProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures))
    return library.SiglipModel.from_pretrained(folder, local_files_only=True).eval()


def save_clip(folder: Path, *, layout: str = "safetensors") -> Any:
    """A folder like that of `openai/clip-vit-base-patch32`; returns the network of the library.

    Args:
        layout: `safetensors`, `bin`, or `sharded bin`.
    """
    library = import_transformers()
    folder.mkdir(parents=True, exist_ok=True)
    tokens = _clip_tokenizer(folder)
    torch.manual_seed(2)
    text = {**LAYERS, "vocab_size": tokens, "max_position_embeddings": 77, "eos_token_id": 2}
    config = library.CLIPConfig(text_config=text, vision_config={**LAYERS, "image_size": 64, "patch_size": 16}, projection_dim=24)
    model = library.CLIPModel(config).eval()
    _spread(model)
    model.save_pretrained(folder)
    state = model.state_dict()
    if layout != "safetensors":
        (folder / "model.safetensors").unlink()
        _save_bin(folder, state, sharded=layout == "sharded bin")
    pictures = {"crop_size": 64, "do_center_crop": True, "do_normalize": True, "do_resize": True, "resample": 3, "size": 64}
    pictures |= {"feature_extractor_type": "CLIPFeatureExtractor"}
    pictures |= {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures))
    return model


def _spread(model: Any) -> None:
    """Larger weights than the library draws: with its own, all texts look alike and a wrong token goes unnoticed."""
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "embedding" in name:
            torch.nn.init.normal_(parameter, std=0.5)
        elif parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.2)


def _save_bin(folder: Path, state: dict[str, torch.Tensor], *, sharded: bool) -> None:
    if not sharded:
        torch.save(state, folder / "pytorch_model.bin")
        return
    names = sorted(state)
    places = {name: f"pytorch_model-0000{1 + (i > len(names) // 2)}-of-00002.bin" for i, name in enumerate(names)}
    for file in set(places.values()):
        torch.save({name: state[name] for name in names if places[name] == file}, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def _gemma_tokenizer(folder: Path) -> int:
    """`tokenizer.json` and its settings as SigLIP2 has them: token 0 pads, 1 ends a text, capitals are tokens of their own."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    vocabulary = {
        token: number for number, token in enumerate([*special, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *LETTERS])
    }
    merges = []
    for word in ("▁red", "▁mug", "Red", "▁cup"):
        for end in range(2, len(word) + 1):
            vocabulary.setdefault(word[:end], len(vocabulary))
            merges.append((word[: end - 1], word[end - 1]))
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", pair="$A <eos> $B <eos>", special_tokens=[("<eos>", 1)]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    (folder / "tokenizer.json").write_text(tokenizer.to_str())
    settings: dict[str, Any] = {"add_bos_token": False, "add_eos_token": True, "do_lower_case": True, "padding_side": "right"}
    settings |= {"model_input_names": ["input_ids"], "model_max_length": 64, "tokenizer_class": "GemmaTokenizer"}
    settings |= {f"{name}_token": f"<{name}>" for name in ("bos", "eos", "pad", "unk")} | {"processor_class": "SiglipProcessor"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").write_text(
        json.dumps({f"{name}_token": {"content": f"<{name}>", "lstrip": False} for name in ("bos", "eos", "pad", "unk")})
    )
    return len(vocabulary)


def _clip_tokenizer(folder: Path) -> int:
    """`vocab.json`, `merges.txt` and `tokenizer.json` of CLIP, whose last token ends a text and pads."""
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merged = ["re", "red</w>", "mu", "mug</w>", "cu", "cup</w>"]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *merged, "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges = ["r e", "re d</w>", "m u", "mu g</w>", "c u", "cu p</w>"]
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    settings: dict[str, Any] = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "do_lower_case": True,
        "errors": "replace",
    }
    settings |= {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    loaded = import_transformers().CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    (folder / "tokenizer.json").write_text(loaded.backend_tokenizer.to_str())
    return len(tokens)
