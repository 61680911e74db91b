"""The matrix product is the same convolution."""

import pytest
import torch
from torch import nn

from crossmodal.backbones.small_maps import SmallMapConv2d, use_small_maps


def pair(stride: int, padding: int = 1) -> tuple[nn.Conv2d, SmallMapConv2d]:
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 5, 3, stride, padding, bias=False)
    small = SmallMapConv2d(6, 5, 3, stride, padding, bias=False)
    small.load_state_dict(plain.state_dict())
    return plain, small


@pytest.mark.parametrize("side", [(1, 1), (2, 2), (3, 2), (4, 4), (9, 9)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("training", [True, False])
def test_equals_the_convolution_forwards_and_backwards(side: tuple[int, int], stride: int, training: bool) -> None:
    plain, small = pair(stride)
    small.train(training)
    images = torch.randn(3, 6, *side, generator=torch.Generator().manual_seed(1))
    answers, gradients = [], []
    for layer in (plain, small):
        seen = images.clone().requires_grad_()
        answer = layer(seen)
        (answer * torch.arange(answer.numel()).view_as(answer)).sum().backward()
        answers.append(answer)
        gradients.append((seen.grad, layer.weight.grad))
    torch.testing.assert_close(answers[1], answers[0], rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(*reversed(gradients), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def test_plain_three_by_three_convolutions_are_exchanged_and_others_stay() -> None:
    network = nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1, bias=False),
        nn.Conv2d(4, 4, 1, bias=False),
        nn.Conv2d(4, 4, 3, groups=2, bias=False),
        nn.Sequential(nn.Conv2d(4, 4, 3, stride=2, bias=True), nn.Conv2d(4, 2, 3, stride=2, padding=1, bias=False)),
    )
    before = {name: value.clone() for name, value in network.state_dict().items()}
    kinds = [type(layer) for layer in use_small_maps(network).modules() if isinstance(layer, nn.Conv2d)]
    assert kinds == [SmallMapConv2d, nn.Conv2d, nn.Conv2d, nn.Conv2d, SmallMapConv2d]
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_bfloat16_gradients_are_the_same_every_time_and_near_float32(side: int) -> None:
    """On a map of one pixel the library's own bfloat16 gradient changed from call to call and was sometimes not finite."""
    torch.manual_seed(0)
    layer = SmallMapConv2d(256, 512, 3, 2, 1, bias=False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.rand(16, 256, side, side).contiguous(memory_format=torch.channels_last)

    def gradient(*, bf16: bool) -> torch.Tensor:
        unused = [torch.full((2**power,), float("nan"), dtype=torch.bfloat16) for power in range(8, 22)]
        del unused  # what is read without having been written is now likely to be not a number
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            answer = layer(images)
        answer.float().square().sum().backward()
        assert layer.weight.grad is not None
        return layer.weight.grad.clone()

    wanted = gradient(bf16=False)
    found = [gradient(bf16=True) for _ in range(6)]
    assert all(torch.equal(other, found[0]) for other in found)
    assert (found[0] - wanted).norm() < 0.03 * wanted.norm()
