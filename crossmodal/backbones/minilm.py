"""MiniLM (Wang et al. 2020), trained for sentences (Reimers and Gurevych 2019, "Sentence-BERT"), through `transformers`.

`sentence_transformers` is not used: it computes the same mean of the same vectors, but imports a package `datasets`.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from crossmodal.backbones.base import Config, Features, TextBackbone, sequence
from crossmodal.backbones.config import only, settle
from crossmodal.backbones.hugging_face import (
    HASHED,
    Subwords,
    find_checkpoint,
    import_transformers,
    load_config,
    load_network,
    network_settings,
    origin_of,
    tokenizer_of,
    with_positions,
)
from crossmodal.backbones.weights import WeightsSource

LAYERS = {"minilm-l6": 6, "minilm-l12": 12}
REPOSITORIES = {name: f"sentence-transformers/all-MiniLM-L{layers}-v2" for name, layers in LAYERS.items()}

SIZES: Config = {
    "vocab_size": 30_522,
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}


class MiniLM(TextBackbone):
    """MiniLM; its layers are the blocks, and the features are the tokens of a text, including start and end.

    Args:
        name: `minilm-l6` or `minilm-l12`.
        given: settings to change: those of `SIZES`, `max_tokens` (128), `dropout` (0.1), `tokenizer` (JSON text, or `HASHED`).
        network: the `BertModel` to use, of the same settings; None builds one with random weights.
    """

    pooling = "mean"

    def __init__(self, name: str, given: Config | None = None, *, network: nn.Module | None = None) -> None:
        own: Config = {"num_hidden_layers": LAYERS[name], "max_tokens": 128, "dropout": 0.1, "tokenizer": HASHED}
        settings = settle(name, {**SIZES, **own}, given)
        super().__init__(name, features=settings["hidden_size"], blocks=settings["num_hidden_layers"])
        self.settings = settings
        self.tokens = Subwords(
            settings["tokenizer"],
            vocab_size=settings["vocab_size"],
            max_tokens=min(settings["max_tokens"], settings["max_position_embeddings"]),
            pad_id=settings["pad_token_id"],
        )
        self.network = _random(settings) if network is None else network

    def config(self) -> Config:
        """See `Backbone`."""
        return dict(self.settings)

    def stem(self, texts: Sequence[str], trainable_blocks: int) -> Features:
        """See `TextBackbone`."""
        self.check_blocks(trainable_blocks)
        ids, mask = self.tokens(texts)
        device = next(self.parameters()).device
        ids, mask = ids.to(device), mask.to(device)
        hidden = self.network.get_submodule("embeddings")(input_ids=ids)
        return self._through(self._layers()[: self.blocks - trainable_blocks], hidden, mask)

    def tail(self, hidden: Features, trainable_blocks: int) -> Features:
        """See `Backbone`."""
        self.check_blocks(trainable_blocks)
        if not trainable_blocks:
            return hidden
        return self._through(self.tail_modules(trainable_blocks), hidden.values.to(self.dtype()), hidden.mask)

    def tail_modules(self, trainable_blocks: int) -> list[nn.Module]:
        """See `Backbone`."""
        return self._layers()[self.blocks - trainable_blocks :]

    def _layers(self) -> list[nn.Module]:
        return list(self.network.get_submodule("encoder.layer").children())

    def _through(self, layers: list[nn.Module], hidden: Tensor, mask: Tensor) -> Features:
        attended = mask[:, None, None, :]  # every token attends to every token that is not padding
        for layer in layers if len(mask) else ():  # the library cannot reshape an empty batch
            hidden = layer(hidden, attended)
        return sequence(hidden, mask)


def load_minilm(name: str, source: WeightsSource, given: Config | None = None) -> MiniLM:
    """Load the weights, the tokenizer and the sizes of a checkpoint.

    Raises:
        WeightsError: they are not available or do not fit.
    """
    changes = only(name, given, "max_tokens")
    folder = find_checkpoint(name, REPOSITORIES[name], source, extra="tokenizer.json")
    found = load_config(folder, kinds=("bert",), name=name)
    transformers: Any = import_transformers()
    settings: Config = {
        **network_settings(found, tuple(SIZES)),
        "dropout": float(found.hidden_dropout_prob),
        "tokenizer": tokenizer_of(folder, transformers.AutoTokenizer),
        **changes,
    }
    network = load_network(transformers.BertModel, folder, name=name, add_pooling_layer=False)
    backbone = MiniLM(name, settings, network=network)
    backbone.origin = origin_of(folder)
    return backbone


def _random(settings: dict[str, Any]) -> nn.Module:
    transformers = import_transformers()
    dropout = settings["dropout"]
    sizes = {key: settings[key] for key in SIZES}
    config = transformers.BertConfig(**sizes, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    config._attn_implementation = "sdpa"
    return with_positions(transformers.BertModel(config, add_pooling_layer=False))
