"""The fast copy of a network gives the same embeddings."""

import platform
import threading

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from crossmodal.runtimes import torch as torch_runtime
from crossmodal.runtimes.torch import MIN_AGREEMENT, InferenceNetwork, fold_batch_norms, freed_memory_kept, torch_threads
from encoders import ImageEncoder


@pytest.fixture(scope="module")
def encoder() -> ImageEncoder:
    """Untrained, but with batch norms that have seen something: folding identities would prove nothing."""
    torch.manual_seed(0)
    encoder = ImageEncoder(32)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0.0, 0.3)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0.0, 0.2)
    return encoder.eval()


def images(n: int = 3, size: int = 32) -> Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_folding_keeps_every_embedding(encoder: ImageEncoder) -> None:
    with torch.inference_mode():
        expected = encoder(images())
    answer = InferenceNetwork(encoder, image_size_px=32, bf16=False)(images())
    assert (answer - expected).abs().max() < 1e-5
    torch.testing.assert_close(answer.norm(dim=1), torch.ones(3))


def test_no_batch_norm_is_left_and_the_original_keeps_its_own(encoder: ImageEncoder) -> None:
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    fast = InferenceNetwork(encoder, image_size_px=32, bf16=False)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast._network.modules())
    assert sum(isinstance(module, nn.BatchNorm2d) for module in encoder.modules()) == 20
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_a_network_in_training_mode_is_left_in_it() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten()).train()
    InferenceNetwork(network, image_size_px=8, bf16=False)(torch.rand(2, 3, 8, 8))
    assert network.training
    assert network[1].num_batches_tracked == 0


def test_a_convolution_without_its_batch_norm_stays() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)).eval()
    folded = fold_batch_norms(network)
    assert [type(layer) for layer in folded] == [nn.Conv2d, nn.ReLU, nn.BatchNorm2d]


def test_layout_size_and_emptiness_of_a_batch_do_not_matter(encoder: ImageEncoder) -> None:
    fast = InferenceNetwork(encoder, image_size_px=32, bf16=False)
    answer = fast(images())
    torch.testing.assert_close(fast(images().contiguous(memory_format=torch.channels_last)), answer)
    torch.testing.assert_close(torch.cat([fast(one[None]) for one in images()]), answer, rtol=1e-4, atol=1e-5)
    assert fast(images(0)).shape == (0, 32)
    assert not answer.requires_grad


@pytest.mark.parametrize(("bf16", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_the_flag_decides_the_precision(encoder: ImageEncoder, bf16: bool, precision: str) -> None:
    fast = InferenceNetwork(encoder, image_size_px=32, bf16=bf16)
    answer = fast(images())
    assert fast.precision == precision
    assert answer.dtype == torch.float32
    exact = InferenceNetwork(encoder, image_size_px=32, bf16=False)(images())
    assert functional.cosine_similarity(answer, exact).min() >= MIN_AGREEMENT
    assert torch.equal(answer, exact) is not bf16


class Tried(torch.nn.Module):
    """A network that may answer differently in bfloat16."""

    def __init__(self, agrees: bool) -> None:
        super().__init__()
        self.agrees = agrees

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        flat = images.flatten(1)
        return -flat if torch.is_autocast_enabled("cpu") and not self.agrees else flat


@pytest.mark.parametrize(
    ("hardware", "agrees", "size", "expected"),
    [
        (True, True, 64, "bfloat16"),
        (True, True, 32, "float32"),
        (True, False, 64, "float32"),
        (False, True, 64, "float32"),
    ],
)
def test_bfloat16_is_taken_where_it_is_there_and_agrees(
    hardware: bool, agrees: bool, size: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_runtime, "has_bf16", lambda: hardware)
    assert InferenceNetwork(Tried(agrees), image_size_px=size).precision == expected


def test_this_processor_is_asked_without_error() -> None:
    assert torch_runtime.has_bf16() in (True, False)


class Libc:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.options: dict[int, int] = {}
        self.trimmed = 0

    def mallopt(self, option: int, value: int) -> int:
        self.options[option] = value
        return 1

    def malloc_trim(self, pad: int) -> int:
        self.trimmed += 1
        return 1


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> Libc:
    libc = Libc()
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(torch_runtime.ctypes, "CDLL", lambda name: libc)
    return libc


def test_thresholds_are_raised_and_lowered_again_even_after_a_failure(libc: Libc) -> None:
    def fail() -> None:
        with freed_memory_kept():
            assert min(libc.options.values()) >= 2**20
            assert libc.trimmed == 0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert max(libc.options.values()) < 2**20
    assert libc.trimmed == 1


def test_another_c_library_is_left_alone(libc: Libc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    with freed_memory_kept():
        pass
    assert libc.options == {}


def test_this_computers_memory_works_inside_and_afterwards() -> None:
    with freed_memory_kept():
        assert torch.ones(2**21).sum() == 2**21
    assert torch.ones(2**21).sum() == 2**21


def test_the_number_holds_for_the_block_and_is_given_back() -> None:
    before = torch.get_num_threads()
    with torch_threads(1):
        assert torch.get_num_threads() == 1
        with torch_threads(3):
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_it_is_given_back_when_the_work_fails() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), torch_threads(before + 1):
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def test_a_thread_at_work_keeps_its_own_number() -> None:
    seen: list[int] = []
    started, go_on = threading.Event(), threading.Event()

    def work() -> None:
        with torch_threads(2):
            started.set()
            go_on.wait(10)
            seen.append(torch.get_num_threads())

    thread = threading.Thread(target=work)
    thread.start()
    started.wait(10)
    with torch_threads(1):
        go_on.set()
        thread.join()
    assert seen == [2]
