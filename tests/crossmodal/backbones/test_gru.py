"""The text tower's network: a text means the same alone and in company, and nothing breaks it."""

import pytest
import torch

from crossmodal.backbones.gru import GRUBackbone
from crossmodal.text.tokenizer import PADDING
from encoders import GRU, TextEncoder

TEXTS = ["red mug", "a large blue umbrella with white dots", "mug", ""]


class Pooled(torch.nn.Module):
    """The backbone and what is done with its states: the largest value of each, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = GRUBackbone({"vocab_size": 512, "max_tokens": 8, "width": 16})
        self.tower = TextEncoder(12, spec=GRU, backbone=self.backbone)
        self.embedding, self.gru = self.backbone.embedding, self.backbone.gru
        self.tokenizer, self.noise = self.backbone.tokenizer, self.backbone.noise
        self.projection = self.tower.head

    def forward(self, texts: list[str]) -> torch.Tensor:
        return self.projection(self.tower.pool(self.backbone(texts)))


@pytest.fixture
def network() -> Pooled:
    return Pooled().eval()


def test_shapes_and_finiteness(network: Pooled) -> None:
    features = network(TEXTS)
    assert features.shape == (4, 12)
    assert features.dtype == torch.float32
    assert features.isfinite().all()
    assert network([]).shape == (0, 12)


def test_company_does_not_change_a_text(network: Pooled) -> None:
    together = network(TEXTS)
    alone = torch.cat([network([text]) for text in TEXTS])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(network(TEXTS[::-1]), together.flip(0), rtol=1e-5, atol=1e-6)


def test_equals_a_plain_walk_through_the_words(network: Pooled) -> None:
    """Mean of bucket vectors, both directions one word at a time, the largest value of each feature."""
    text = TEXTS[1]
    vectors = [network.embedding.weight[list(word)].mean(dim=0) for word in network.tokenizer(text)]
    forward = torch.nn.GRU(16, 16)
    backward = torch.nn.GRU(16, 16)
    for name, value in network.gru.named_parameters():
        target = backward if name.endswith("_reverse") else forward
        getattr(target, name.removesuffix("_reverse")).data.copy_(value)
    ahead = forward(torch.stack(vectors))[0]
    back = backward(torch.stack(vectors[::-1]))[0].flip(0)
    expected = network.projection(torch.cat([ahead, back], dim=1).amax(dim=0))
    torch.testing.assert_close(network([text])[0], expected, rtol=1e-5, atol=1e-6)


def test_order_of_words_matters_and_padding_does_not(network: Pooled) -> None:
    assert not torch.allclose(network(["red mug"]), network(["mug red"]))
    with torch.no_grad():
        network.embedding.weight[PADDING] = 100.0  # the padding bucket is left out of every mean
    assert network([""]).abs().max() < 10


def test_noise_is_for_training_only_and_repeatable(network: Pooled) -> None:
    text = ["umbrella striped bicycle telephone"] * 8
    assert (network(text) == network(text)).all()
    network.train()
    looks = []
    for seed in (1, 1, 2):
        network.noise.seed(seed)
        looks.append(network(text))
    assert torch.equal(looks[0], looks[1])
    assert not torch.equal(looks[0], looks[2])


def test_gradients_reach_the_buckets_of_the_words_and_no_other(network: Pooled) -> None:
    network(["red mug"]).sum().backward()
    grad = network.embedding.weight.grad
    assert grad is not None
    touched = set(grad.abs().sum(dim=1).nonzero().flatten().tolist())
    assert touched == {number for word in network.tokenizer("red mug") for number in word}


def test_a_text_beyond_the_limit_is_read_to_the_limit(network: Pooled) -> None:
    torch.testing.assert_close(network(["mug " * 5000]), network(["mug " * 8]))
