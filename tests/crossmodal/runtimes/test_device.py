"""Which device is used when; and that nothing stays behind on the processor, tried on torch's device without numbers."""

import pytest
import torch

from crossmodal.errors import QueryError
from crossmodal.runtimes import device as devices
from crossmodal.runtimes.device import DEVICES, resolve_device, uses_bf16
from encoders import ImageEncoder, TextEncoder


@pytest.mark.parametrize(
    ("name", "there", "expected"),
    [
        ("auto", {"cuda", "mps"}, "cuda"),
        ("auto", {"mps"}, "cpu"),
        ("auto", set(), "cpu"),
        ("cpu", {"cuda"}, "cpu"),
        ("cuda", {"cuda"}, "cuda"),
        ("mps", {"mps"}, "mps"),
    ],
)
def test_the_device_of_a_name(name: str, there: set[str], expected: str) -> None:
    assert resolve_device(name, available=lambda kind: kind == "cpu" or kind in there).type == expected


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(QueryError, match=f"device {name} is not available") as caught:
        resolve_device(name, available=lambda kind: kind == "cpu")
    assert "--device auto or cpu" in caught.value.remedy


def test_an_unknown_device_lists_the_known_ones() -> None:
    with pytest.raises(QueryError, match="no device 'tpu'") as caught:
        resolve_device("tpu")
    assert all(name in caught.value.remedy for name in DEVICES)


def test_bf16_is_used_where_the_hardware_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for has in (True, False):
        monkeypatch.setattr(devices, "has_bf16", lambda has=has: has)
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda *, including_emulation, has=has: has and not including_emulation
        )
        assert uses_bf16(torch.device("cpu")) is uses_bf16(torch.device("cuda")) is has
        assert not uses_bf16(torch.device("mps"))


def test_encoders_compute_where_their_weights_are() -> None:
    images, texts = ImageEncoder(16).to("meta"), TextEncoder(16, vocab_size=512).to("meta")
    assert images.device.type == texts.device.type == "meta"
    assert images(torch.rand(2, 3, 32, 32, device="meta")).device.type == "meta"
    hidden = texts.backbone.stem(["red mug", "a blue hat"], 1)
    assert hidden.values.device.type == hidden.mask.device.type == "meta"
    assert texts.backbone.stem([], 1).mask.device.type == "meta"
