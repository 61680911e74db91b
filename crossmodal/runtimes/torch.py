"""Optimised inference of an image network: folded batch norms, channels last, bfloat16 where it is faster and numerically close."""

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
"""Minimum cosine between the bfloat16 and the float32 embedding of a test picture."""
MIN_BF16_PX = 64
"""Below this side in pixels, a picture is too little work for the dtype to matter."""


class InferenceNetwork:
    """A copy of a trained network for inference only.

    Args:
        network: maps images (n, 3, size, size) float32 to embeddings (n, embed_dim) float32, unit length.
        image_size_px: side of its input; bfloat16 is checked at that size.
        bf16: None uses bfloat16 if the CPU supports it and the embeddings agree; True and False force the choice.
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
    """Whether this CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX on x86, FEAT_BF16 on Arm)."""
    return torch._C._has_mkldnn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and _fast_bf16()


def _fast_bf16() -> bool:
    # oneDNN also accepts bfloat16 on AVX512 without BF16 instructions, where it is slower than float32.
    capabilities = torch.backends.cpu.get_cpu_capability()
    return "AVX512" not in capabilities or any(
        check() for check in (torch.cpu._is_avx512_bf16_supported, torch.cpu._is_amx_tile_supported)
    )


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution before it (Jacob et al. 2018, section 3.2). In place; returns `network`.

    Pairs are recognised by torchvision's names in ResNets: `convN` with `bnN`, and the two layers of `downsample`.
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
    """Whether to use bfloat16: the CPU supports it, the pictures are large enough, and both dtypes agree on test pictures.

    Nothing is timed: a busy moment must not decide the dtype of a collection's embeddings, or two starts would differ.
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
    """Inside the block, the process keeps freed memory for reuse; it is returned to the system afterwards."""
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
"""Torch's default number of threads; suits batches, training and rebuilds."""


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads for the work of this thread inside the block.

    One is best for a single query: a call of a few milliseconds on two cores waits for a whole time slice if the second core is busy.
    Threads that used torch before keep their own number; a thread that first uses it during such a block inherits the block's, so long
    work should set its own.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
