"""A picture network made fast for use: batch norms folded into convolutions, channels last, bfloat16 where it pays and agrees."""

import copy
import ctypes
import logging
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

log = logging.getLogger(__name__)

MIN_AGREEMENT = 0.999
"""Least cosine between the bfloat16 and the float32 embedding of a test picture."""
MIN_BF16_PX = 64
"""Below this side there is too little work in a picture for the number format to matter."""


class InferenceNetwork:
    """A copy of a trained network for encoding only.

    Args:
        network: images (n, 3, size, size) float32 to embeddings (n, embed_dim) float32 of length 1.
        image_size_px: side of the pictures it will see; bfloat16 is tried at that size.
        bf16: None takes bfloat16 where the processor has it and it agrees; True and False decide without looking.
    """

    def __init__(self, network: nn.Module, *, image_size_px: int, bf16: bool | None = None) -> None:
        self._network = fold_batch_norms(copy.deepcopy(network).eval()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._bf16 = _bf16_pays(self._network, image_size_px) if bf16 is None else bf16

    def __call__(self, images: Tensor) -> Tensor:
        """Shape: (n, 3, size, size) float32 → (n, embed_dim) float32 on the processor, whatever device the network is on."""
        device = _device(self._network)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=self._bf16):
            embeddings: Tensor = self._network(images.to(device).contiguous(memory_format=torch.channels_last))
            return embeddings.float().cpu()

    @property
    def precision(self) -> str:
        """`bfloat16` or `float32`."""
        return "bfloat16" if self._bf16 else "float32"


def has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware (AVX512-BF16 or AMX on x86, FEAT_BF16 on Arm)."""
    return torch._C._has_mkldnn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and _fast_bf16()


def _fast_bf16() -> bool:
    # oneDNN also accepts bfloat16 on AVX512 without BF16 instructions, where it is slower than float32.
    capabilities = torch.backends.cpu.get_cpu_capability()
    return "AVX512" not in capabilities or any(
        check() for check in (torch.cpu._is_avx512_bf16_supported, torch.cpu._is_amx_tile_supported)
    )


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Replace each convolution followed by its batch norm with one convolution of the same effect (Jacob et al. 2018, section 3.2).

    In place. Pairs are recognised by torchvision's naming in ResNets: `convN` with `bnN`, and the two layers of `downsample`.
    """
    for module in network.modules():
        children = dict(module.named_children())
        for name, child in children.items():
            partner = f"bn{name.removeprefix('conv')}" if name.startswith("conv") else str(int(name) + 1) if name.isdigit() else ""
            follower = children.get(partner)
            if isinstance(child, nn.Conv2d) and isinstance(follower, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(child, follower))
                setattr(module, partner, nn.Identity())
    return network


def _device(network: nn.Module) -> torch.device:
    return next((parameter.device for parameter in network.parameters()), torch.device("cpu"))


def _bf16_pays(network: nn.Module, size: int) -> bool:
    """Whether bfloat16 is worth it: the processor has it, the pictures are large enough, and both formats agree on the same pictures.

    Nothing is timed: a busy moment must not decide in which format a collection is embedded, or two starts would differ.
    """
    if _device(network).type != "cpu" or not has_bf16() or size < MIN_BF16_PX:
        return False
    images = torch.rand(4, 3, size, size, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=torch.channels_last)
    answers = []
    for enabled in (False, True):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            answers.append(network(images).float())
    agreement = float(torch.nn.functional.cosine_similarity(*answers).min())
    log.info("bfloat16: agreement %.5f", agreement)
    return agreement >= MIN_AGREEMENT


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP = 2**30
_USUAL = 128 * 2**10


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Inside, freed memory stays with the process; afterwards it is given back."""
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _KEEP)
    libc.mallopt(_M_TRIM_THRESHOLD, _KEEP)
    try:
        yield
    finally:
        libc.mallopt(_M_MMAP_THRESHOLD, _USUAL)
        libc.mallopt(_M_TRIM_THRESHOLD, _USUAL)
        libc.malloc_trim(0)


ALL_THREADS = torch.get_num_threads()
"""What torch chose for this computer: right for batches, training and rebuilds."""


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads for what this thread does inside the block.

    One is right for a single query: a call of a few milliseconds that wants two cores waits for a whole time slice whenever the second
    is busy. Other threads that have used torch before keep their own number; one that first uses it while a block lasts starts with the
    block's, so long work should ask for its own.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
