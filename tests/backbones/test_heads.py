"""Projection heads: the layers that were asked for, in their order."""

import pytest
import torch
from torch import nn

from crossmodal.backbones.heads import ProjectionHead


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
