"""What every backbone promises, for every one of them: where it is cut does not matter, and its config builds it again."""

import json
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from crossmodal.backbones.base import Backbone, Features, ImageBackbone, TextBackbone, freeze, state_digest
from crossmodal.backbones.registry import image_backbone, text_backbone
from crossmodal.errors import QueryError
from tests.crossmodal.backbones.tiny_backbones import IMAGES, QUERIES, TEXTS, pictures, tiny_image, tiny_text

TRANSFORMERS = ("google/", "minilm", "clip")  # that library takes some seconds to load
ALL = [("image", name) for name in IMAGES] + [("text", name) for name in TEXTS]
every = pytest.mark.parametrize(
    ("kind", "name"),
    [pytest.param(*each, id=" ".join(each), marks=pytest.mark.slow if each[1].startswith(TRANSFORMERS) else ()) for each in ALL],
)


def tiny(kind: str, name: str) -> Backbone:
    return (tiny_image(name) if kind == "image" else tiny_text(name)).eval()


def given(kind: str, n: int | None = None) -> Tensor | Sequence[str]:
    return pictures()[:n] if kind == "image" else QUERIES[:n]


def same(one: Features, other: Features) -> bool:
    return torch.equal(one.values, other.values) and torch.equal(one.mask, other.mask)


@pytest.mark.slow
@every
def test_shapes(kind: str, name: str) -> None:
    backbone = tiny(kind, name)
    n = len(given(kind))
    values, mask = backbone(given(kind))
    assert values.shape == (n, mask.shape[1], backbone.features)
    assert values.dtype == torch.float32
    assert mask.dtype == torch.bool
    assert mask.any(dim=1).all()
    assert values.isfinite().all()
    assert (values[~mask] == 0).all()
    assert values.flatten(1).std(dim=1).min() > 1e-6
    assert backbone.pooling in {"mean", "max", "first"}
    nothing = backbone(given(kind, 0))
    assert nothing.values.shape[::2] == (0, backbone.features)
    assert nothing.values.shape[:2] == nothing.mask.shape
    assert nothing.mask.shape[1] >= 1


@every
def test_a_cut_anywhere_changes_nothing(kind: str, name: str) -> None:
    backbone = tiny(kind, name)
    assert isinstance(backbone, ImageBackbone | TextBackbone)
    whole = backbone(given(kind))
    for blocks in range(backbone.blocks + 1):
        hidden = backbone.stem(given(kind), blocks)  # type: ignore[arg-type]
        assert hidden.values.dtype == torch.float32
        assert not hidden.values[~hidden.mask].any()
        assert same(backbone.tail(hidden, blocks), whole), blocks
        assert backbone.tail(backbone.stem(given(kind, 0), blocks), blocks).values.shape[::2] == (0, backbone.features)  # type: ignore[arg-type]


@every
def test_a_cut_that_is_not_offered_is_refused(kind: str, name: str) -> None:
    backbone = tiny(kind, name)
    hidden = backbone(given(kind))
    for blocks in (-1, backbone.blocks + 1):
        for refused in (
            lambda blocks=blocks: backbone.stem(given(kind), blocks),  # type: ignore[operator]
            lambda blocks=blocks: backbone.tail(hidden, blocks),
            lambda blocks=blocks: freeze(backbone, blocks),
        ):
            with pytest.raises(QueryError, match=f"{blocks} blocks of {name}"):
                refused()


@pytest.mark.slow
@every
def test_its_config_builds_it_again(kind: str, name: str) -> None:
    backbone = tiny(kind, name)
    config = json.loads(json.dumps(backbone.config()))
    family = image_backbone(name) if kind == "image" else text_backbone(name)
    with torch.device("meta"):
        again = family(config)
    assert {name: value.shape for name, value in again.state_dict().items()} == {
        name: value.shape for name, value in backbone.state_dict().items()
    }
    again.load_state_dict(backbone.state_dict(), assign=True)
    assert not any(value.is_meta for value in [*again.parameters(), *again.buffers()])
    assert same(again.eval()(given(kind)), backbone(given(kind)))
    assert (again.features, again.blocks, again.config()) == (backbone.features, backbone.blocks, backbone.config())
    assert again.digest() == backbone.digest()


@every
def test_its_digest_follows_weights_and_settings(kind: str, name: str) -> None:
    backbone = tiny(kind, name)
    before = backbone.digest()
    assert tiny(kind, name).digest() == before
    with torch.no_grad():
        next(backbone.parameters())[-1] += 1e-3
    assert backbone.digest() != before


@every
def test_company_does_not_change_an_answer(kind: str, name: str) -> None:
    backbone = tiny(kind, name)
    together = backbone(given(kind))
    for i in range(len(given(kind))):
        values, mask = backbone(given(kind)[i : i + 1])
        length = int(mask.sum())
        assert int(together.mask[i].sum()) == length
        scale = float(values.detach().abs().max())
        torch.testing.assert_close(together.values[i, :length], values[0, :length], rtol=0, atol=1e-4 * scale)


@every
def test_bfloat16_is_near_float32(kind: str, name: str) -> None:
    backbone = tiny(kind, name)
    plain = backbone(given(kind))
    for blocks in (0, backbone.blocks):
        with torch.autocast("cpu", torch.bfloat16):
            hidden = backbone.stem(given(kind), blocks)  # type: ignore[operator]
            cached = Features(hidden.values.bfloat16(), hidden.mask)
            rounded = backbone.tail(cached, blocks)
        agreement = torch.cosine_similarity(plain.values.flatten(1), rounded.values.float().flatten(1))
        assert agreement.min() > 0.9
        assert backbone.tail(cached, blocks).values.isfinite().all()  # a bfloat16 cache without autocast


@every
def test_freezing_trains_the_last_blocks_only(kind: str, name: str) -> None:
    backbone = tiny(kind, name)
    for blocks in {0, min(1, backbone.blocks), backbone.blocks}:
        freeze(backbone, blocks)
        backbone.train()
        tail = {id(value) for module in backbone.tail_modules(blocks) for value in module.parameters()}
        assert {id(value) for value in backbone.parameters() if value.requires_grad} == tail
        inside = {id(part) for module in backbone.tail_modules(blocks) for part in module.modules()}
        assert all(part.training == (id(part) in inside) for part in backbone.modules() if part is not backbone)
        frozen = {key: value.clone() for key, value in backbone.state_dict().items()}
        backbone(given(kind))
        moved = {key for key, value in backbone.state_dict().items() if not torch.equal(value, frozen[key])}
        assert bool(moved) == any(
            isinstance(part, torch.nn.BatchNorm2d) for module in backbone.tail_modules(blocks) for part in module.modules()
        )
        assert not any(part.training for part in backbone.eval().modules())
    freeze(backbone, None)
    assert all(value.requires_grad for value in backbone.parameters())
    assert all(part.training for part in backbone.train().modules())


@every
def test_gradients_reach_every_parameter_of_the_tail(kind: str, name: str) -> None:
    backbone = tiny(kind, name)
    freeze(backbone, blocks := min(1, backbone.blocks))
    if not blocks:
        return
    with torch.no_grad():
        hidden = backbone.stem(given(kind), blocks)  # type: ignore[operator]
    backbone.tail(hidden, blocks).values.square().sum().backward()
    assert all((value.grad is not None) == value.requires_grad for value in backbone.parameters())


@pytest.mark.slow
def test_only_the_gru_varies_its_words_in_training() -> None:
    for name in TEXTS:
        backbone = tiny_text(name)
        assert backbone.cacheable == (name != "gru")


def test_a_state_has_one_digest_whatever_its_order() -> None:
    state = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(1)}
    turned = {"b": torch.tensor(1), "a": torch.arange(6.0).view(2, 3).t().contiguous().t()}
    assert state_digest(state) == state_digest(turned)
    assert state_digest({"a": torch.zeros(2, 3)}) != state_digest({"a": torch.zeros(3, 2)})
    assert state_digest({"a": torch.zeros(2)}) != state_digest({"b": torch.zeros(2)})
    assert state_digest({"a": torch.zeros(0)}) != state_digest({"a": torch.zeros(0, dtype=torch.bfloat16)})
    assert state_digest({}) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
