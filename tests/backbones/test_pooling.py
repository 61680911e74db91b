"""Poolings against a plain walk over what is there, and what padding must never change."""

import pytest
import torch
from torch import Tensor

from crossmodal.backbones.pooling import POOLINGS


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
