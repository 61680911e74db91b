"""Where the picture network starts from: a file, torchvision's loader, or chance, always with one line that says which."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crossmodal.backbones.resnet import FEATURES, SmallMapConv2d, Weights, find_weights, resnet18, use_small_maps
from crossmodal.torchvision_compat import import_torchvision

CACHED = "resnet18-f37072fd.pth"
NEVER_WAITED_SO_LONG_S = 20.0


@pytest.fixture(scope="module")
def full_state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    state: dict[str, Tensor] = import_torchvision().models.resnet18(weights=None).state_dict()
    return state


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torchvision's cache, empty, so that this computer's own does not answer."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def is_random(weights: Weights) -> bool:
    assert weights.note.endswith(".")
    assert "\n" not in weights.note
    assert weights.name == ("random weights" if weights.state is None else "ImageNet weights")
    return weights.state is None


def from_file(file: Path) -> Weights:
    return find_weights(file, download=True, timeout_s=1.0)


def test_the_network_gives_features() -> None:
    network = resnet18().eval()
    with torch.inference_mode():
        assert network(torch.rand(2, 3, 32, 32)).shape == (2, FEATURES)
        assert network(torch.rand(1, 3, 64, 48)).shape == (1, FEATURES)
    assert not any(name.startswith("fc.") for name in network.state_dict())


@pytest.mark.slow
def test_is_torchvisions_network(full_state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(full_state, tmp_path / "weights.pth")
    weights = from_file(tmp_path / "weights.pth")
    assert weights.state is not None
    ours, theirs = resnet18().eval(), import_torchvision().models.resnet18(weights=None).eval()
    ours.load_state_dict(weights.state)
    theirs.load_state_dict(full_state)
    theirs.fc = torch.nn.Identity()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)


def test_a_state_dict_is_loaded_from_a_file(full_state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(full_state, tmp_path / "weights.pth")
    weights = from_file(tmp_path / "weights.pth")
    assert not is_random(weights)
    assert "weights.pth" in weights.note
    assert weights.state is not None
    assert weights.state.keys() == resnet18().state_dict().keys()
    assert all(torch.equal(value, full_state[name]) for name, value in weights.state.items())


VARIANTS: dict[str, Callable[[dict[str, Tensor]], dict[str, Tensor]]] = {
    "half precision": lambda state: {name: value.half() if value.is_floating_point() else value for name, value in state.items()},
    "without its classifier": lambda state: {name: value for name, value in state.items() if not name.startswith("fc.")},
    "without batch counts, as torchvision's oldest files": lambda state: {
        name: value for name, value in state.items() if not name.endswith("num_batches_tracked")
    },
    "parameters instead of tensors": lambda state: {
        name: torch.nn.Parameter(value, requires_grad=value.is_floating_point()) for name, value in state.items()
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_usual_variants_are_welcome(variant: Callable[[Any], Any], full_state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(variant(full_state), tmp_path / "weights.pth")
    weights = from_file(tmp_path / "weights.pth")
    assert weights.state is not None, weights.note
    network = resnet18()
    network.load_state_dict(weights.state)
    assert all(value.dtype == torch.float32 for value in network.parameters())


BROKEN: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "a list": lambda state: list(state.values()),
    "a whole training state": lambda state: {"state_dict": state, "epoch": 3},
    "a tensor of another shape": lambda state: {**state, "conv1.weight": torch.zeros(64, 3, 3, 3)},
    "no number": lambda state: {**state, "conv1.weight": torch.full((64, 3, 7, 7), float("nan"))},
    "a missing tensor": lambda state: {name: value for name, value in state.items() if name != "layer4.1.conv2.weight"},
    "a text for a tensor": lambda state: {**state, "conv1.weight": "weight"},
    "a tensor without storage": lambda state: {**state, "conv1.weight": torch.empty(64, 3, 7, 7, device="meta")},
    "a huge tensor of one number": lambda state: {**state, "conv1.weight": torch.zeros(1).half().expand(2**20, 2**20)},
}


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_file_of_something_else_is_refused(broken: Callable[[Any], Any], full_state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(broken(full_state), tmp_path / "weights.pth")
    weights = from_file(tmp_path / "weights.pth")
    assert is_random(weights)
    assert "weights.pth is not a ResNet18" in weights.note


@pytest.mark.parametrize("data", [b"", b"<!doctype html>404", b"PK\x03\x04 half a file"])
def test_a_broken_file_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(data)
    assert is_random(from_file(tmp_path / "weights.pth"))


def test_a_missing_file_and_a_folder_are_said(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        weights = from_file(path)
        assert is_random(weights)
        assert f"{path.name} does not exist" in weights.note


def booby_trapped(path: Path) -> Path:
    canary = path.with_name("canary")

    class Boom:
        def __reduce__(self) -> tuple[Any, ...]:
            return (exec, (f"open({str(canary)!r}, 'w').close()",))

    torch.save({"conv1.weight": Boom()}, path)
    return canary


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    canary = booby_trapped(tmp_path / "weights.pth")
    assert is_random(from_file(tmp_path / "weights.pth"))
    assert not canary.exists()


def test_code_in_torchvisions_cache_is_not_run(hub: Path) -> None:
    canary = booby_trapped(hub / CACHED)
    assert is_random(find_weights(None, download=True, timeout_s=5.0))
    assert not canary.exists()


def test_downloading_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: pytest.fail("asked the network"))
    weights = find_weights(None, download=False, timeout_s=1.0)
    assert is_random(weights)
    assert "switched off" in weights.note


def test_torchvisions_cache_needs_no_network(hub: Path, full_state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: pytest.fail("asked the network"))
    torch.save(full_state, hub / CACHED)
    weights = find_weights(None, download=True, timeout_s=5.0)
    assert not is_random(weights)
    assert "torchvision" in weights.note


@pytest.fixture
def silent_server() -> Iterator[int]:
    """Accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Ends whatever still hangs when the test is over."""
    event = threading.Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name == "weights-download":
            thread.join(NEVER_WAITED_SO_LONG_S)


def asked(timeout_s: float) -> Weights:
    begun, before = time.monotonic(), socket.getdefaulttimeout()
    weights = find_weights(None, download=True, timeout_s=timeout_s)
    assert time.monotonic() - begun < NEVER_WAITED_SO_LONG_S
    assert is_random(weights)
    assert "could not be downloaded" in weights.note
    assert "Offline this is normal" in weights.note
    assert socket.getdefaulttimeout() == before or any(thread.name == "weights-download" for thread in threading.enumerate())
    return weights


def test_no_network_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_name(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    asked(60.0)


def test_a_refused_connection_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *args, **kwargs: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    )
    asked(60.0)


def test_a_name_server_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch, released: threading.Event) -> None:
    """No time-out of a socket reaches a name server."""

    def hang(*args: object, **kwargs: object) -> None:
        released.wait(2 * NEVER_WAITED_SO_LONG_S)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    asked(0.3)


@pytest.mark.slow
def test_a_server_of_many_silent_addresses_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, released: threading.Event, silent_server: int
) -> None:
    """The server ends before what still waits for it is awaited."""
    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", silent_server))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [address] * 100)
    asked(0.3)


@pytest.mark.slow
def test_a_slow_line_that_moves_is_waited_for(hub: Path, full_state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    def dribble(url: str, dst: str, *, hash_prefix: str, progress: bool) -> None:
        assert Path(dst) == hub / CACHED
        assert hash_prefix == "f37072fd"
        assert not progress
        part = hub / f"{CACHED}.abc.partial"
        for size in range(1, 16):
            part.write_bytes(b"x" * size)
            time.sleep(0.2)
        torch.save(full_state, dst)

    monkeypatch.setattr(torch.hub, "download_url_to_file", dribble)
    assert not is_random(find_weights(None, download=True, timeout_s=1.5))  # half of what it takes in all


def test_a_line_that_stands_still_is_left_behind(hub: Path, monkeypatch: pytest.MonkeyPatch, released: threading.Event) -> None:
    def stuck(url: str, dst: str, *, hash_prefix: str, progress: bool) -> None:
        (hub / f"{CACHED}.abc.partial").write_bytes(b"x")
        released.wait(2 * NEVER_WAITED_SO_LONG_S)

    monkeypatch.setattr(torch.hub, "download_url_to_file", stuck)
    asked(0.3)


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


@pytest.mark.slow
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
