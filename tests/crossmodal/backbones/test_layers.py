"""Projection heads: the layers that were asked for, in their order."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from crossmodal.backbones.layers import POOLINGS, ProjectionHead, skip_init
from crossmodal.backbones.registry import image_backbone, text_backbone
from tests.crossmodal.backbones.tiny_backbones import IMAGES, TEXTS
from tests.crossmodal.test_torchvision_compat import run


def kinds(head: ProjectionHead) -> list[type[nn.Module]]:
    return [type(layer) for layer in head.layers]


def test_the_plain_head_is_one_linear_layer() -> None:
    assert kinds(ProjectionHead(6, 4)) == [nn.Linear]
    assert kinds(ProjectionHead(6, 4, dropout=0.1)) == [nn.Dropout, nn.Linear]


def test_the_head_of_the_reference_system() -> None:
    head = ProjectionHead(768, 512, hidden=(512,), batch_norm=True, dropout=0.1)
    assert kinds(head) == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout, nn.Linear]
    assert sum(p.numel() for p in head.parameters()) == (768 + 1) * 512 + 2 * 512 + (512 + 1) * 512


@pytest.mark.parametrize("hidden", [(), (5,), (7, 3)])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_shapes(hidden: tuple[int, ...], batch_norm: bool) -> None:
    head = ProjectionHead(6, 4, hidden=hidden, batch_norm=batch_norm, dropout=0.2).eval()
    assert head(torch.zeros(3, 6)).shape == (3, 4)
    assert head(torch.zeros(0, 6)).shape == (0, 4)


def test_equals_the_sum_written_out() -> None:
    torch.manual_seed(0)
    head = ProjectionHead(3, 2, hidden=(4,)).eval()
    first, last = head.layers[0], head.layers[2]
    features = torch.randn(5, 3)
    wanted = torch.stack([last.weight @ (first.weight @ row + first.bias).clamp(min=0) + last.bias for row in features])
    torch.testing.assert_close(head(features), wanted)


@pytest.fixture
def values() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(4, 6, 16)


@pytest.fixture
def mask() -> Tensor:
    return torch.arange(6) < torch.tensor([6, 1, 3, 5])[:, None]  # (4, 6)


@pytest.mark.parametrize("name", POOLINGS)
def test_shape_and_number_format(name: str, values: Tensor, mask: Tensor) -> None:
    pooling = POOLINGS[name](16)
    for dtype in (torch.float32, torch.bfloat16):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            pooled = pooling(values.to(dtype), mask)
        assert pooled.shape == (4, 16)
        assert pooled.dtype == dtype
        assert pooled.isfinite().all()


@pytest.mark.parametrize("name", POOLINGS)
def test_nothing_gives_nothing(name: str, values: Tensor, mask: Tensor) -> None:
    assert POOLINGS[name](16)(values[:0], mask[:0]).shape == (0, 16)


@pytest.mark.parametrize("name", POOLINGS)
def test_one_vector_pools_to_itself(name: str, values: Tensor) -> None:
    pooled = POOLINGS[name](16)(values[:, :1], torch.ones(4, 1, dtype=torch.bool))
    torch.testing.assert_close(pooled, values[:, 0])


@pytest.mark.parametrize("name", POOLINGS)
def test_padding_changes_nothing(name: str, values: Tensor, mask: Tensor) -> None:
    """Neither what stands in the padding, nor how long it is, nor the company of longer rows."""
    pooling = POOLINGS[name](16)
    expected = pooling(values, mask)
    torch.testing.assert_close(pooling(values.masked_fill(~mask[:, :, None], 1e4), mask), expected)
    longer = torch.cat([values, torch.full((4, 3, 16), -1e4)], dim=1)
    torch.testing.assert_close(pooling(longer, torch.cat([mask, torch.zeros(4, 3, dtype=torch.bool)], dim=1)), expected)
    for row, length in enumerate(mask.sum(dim=1).tolist()):
        alone = pooling(values[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(alone[0], expected[row])


@pytest.mark.parametrize("name", POOLINGS)
def test_gradients_reach_only_what_is_there(name: str, values: Tensor, mask: Tensor) -> None:
    values.requires_grad_(True)
    POOLINGS[name](16)(values, mask).square().sum().backward()
    assert values.grad is not None
    assert values.grad.isfinite().all()
    assert not values.grad[~mask].any()
    assert all(row.any() for row in values.grad)


def test_mean_and_max_equal_a_plain_walk(values: Tensor, mask: Tensor) -> None:
    for row, length in enumerate(mask.sum(dim=1).tolist()):
        here = values[row, :length]
        for name, expected in (
            ("mean", sum(here) / length),
            ("max", torch.stack([column.max() for column in here.T])),
            ("first", here[0]),
        ):
            torch.testing.assert_close(POOLINGS[name](16)(values, mask)[row], expected)


BUILDS: dict[str, Callable[[], nn.Module]] = {
    **{f"image {name}": lambda name=name: image_backbone(name)(IMAGES[name]) for name in IMAGES},
    **{f"text {name}": lambda name=name: text_backbone(name)(TEXTS[name]) for name in TEXTS},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILDS)
def test_the_shapes_are_those_of_the_drawn_network(name: str) -> None:
    with torch.device("meta"), skip_init():
        shapes = BUILDS[name]().state_dict()
    drawn = BUILDS[name]().state_dict()
    assert {key: (value.shape, value.dtype) for key, value in shapes.items()} == {
        key: (value.shape, value.dtype) for key, value in drawn.items()
    }
    assert all(value.is_meta for value in shapes.values())


def test_nothing_is_drawn_inside_and_everything_outside() -> None:
    with skip_init():
        left = [torch.zeros(8).normal_(), nn.init.normal_(torch.zeros(8)), nn.init.uniform_(tensor=torch.zeros(8))]
        left.append(nn.init.kaiming_normal_(torch.zeros(4, 4)))
        filled = nn.init.constant_(torch.zeros(8), 3.0)
    assert not any(tensor.any() for tensor in left)
    assert bool((filled == 3.0).all())
    assert bool(nn.init.normal_(torch.zeros(8)).any())


@pytest.mark.slow
def test_building_shapes_does_not_load_the_compiler() -> None:
    said = run(
        """
        import sys
        import torch
        from crossmodal.backbones.registry import image_backbone, text_backbone
        from crossmodal.backbones.layers import skip_init
        with torch.device("meta"), skip_init():
            image_backbone("resnet18")(), text_backbone("gru")()
        print("torch._dynamo" in sys.modules)
        """
    )
    assert said == "False"
