"""The same numbers on OpenVINO as on torch, a cache that may be damaged, and torch where it does not work."""

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from crossmodal.runtimes.openvino import is_available, openvino_network

pytestmark = pytest.mark.skipif(not is_available(), reason="there is no OpenVINO for this computer")


class Small(nn.Module):
    """A convolution, a pooling and a map to 8 numbers of length 1."""

    def __init__(self, *, noisy: bool = False) -> None:
        super().__init__()
        self.noisy = noisy
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 8)
        )

    def forward(self, images: Tensor) -> Tensor:
        found = nn.functional.normalize(self.layers(images), dim=1)
        return -found if self.noisy and not torch.jit.is_tracing() else found


def test_any_number_of_pictures_gives_torchs_numbers() -> None:
    network = Small().eval()
    fast = openvino_network(network, image_size_px=32, cache=None, name="small")
    assert fast is not None
    for n in (1, 3, 32):
        images = torch.rand(n, 3, 32, 32)
        with torch.inference_mode():
            torch.testing.assert_close(fast(images), network(images), atol=1e-5, rtol=0)


def test_the_converted_network_is_kept_and_a_damaged_one_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    network, images = Small().eval(), torch.rand(2, 3, 32, 32)
    assert openvino_network(network, image_size_px=32, cache=tmp_path, name="small") is not None
    kept = {path.suffix: path for path in tmp_path.iterdir()}
    assert kept.keys() == {".xml", ".bin"}
    whole = {path: path.read_bytes() for path in kept.values()}
    for path in kept.values():
        path.unlink()  # the former may be mapped into memory
        path.write_bytes(whole[path][: len(whole[path]) // 2])
        again = openvino_network(network, image_size_px=32, cache=tmp_path, name="small")
        assert again is not None, path
        with torch.inference_mode():
            torch.testing.assert_close(again(images), network(images), atol=1e-5, rtol=0)
        caplog.clear()
        assert openvino_network(network, image_size_px=32, cache=tmp_path, name="small") is not None
        assert not caplog.records


def test_other_answers_are_not_used(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert openvino_network(Small(noisy=True).eval(), image_size_px=32, cache=None, name="small") is None
    assert "answers differently (cosine -1.0" in caplog.text


def test_a_network_that_cannot_be_converted_is_left_to_torch(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    class Impossible(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            raise RuntimeError("no")

    assert openvino_network(Impossible(), image_size_px=32, cache=None, name="impossible") is None
    assert "cannot run this model: RuntimeError" in caplog.text
