"""Import torchvision beside a CPU-only torch, and without torch's compiler.

torchvision's Linux wheel is compiled against a CUDA torch. Beside a CPU build its operator library does not load, and the import dies
with "operator torchvision::nms does not exist" although models and transforms need no such operator (pytorch/pytorch#122494 and #157648
describe users who met it). Declaring the two missing operator schemas makes the import succeed; calling one of them would still fail,
truthfully. Nothing is declared where torchvision imports by itself.

`torchvision.ops.roi_align` takes one function from `torch._dynamo.utils`, and that import loads the whole compiler: more than a second and
800 modules at every start, for a question that only detection networks ask. While torchvision is imported a stand-in holds that
function's place; asked, it loads the compiler and asks it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch

_MISSING = ("nms", "qnms")
_COMPILER = "torch._dynamo.utils"
_declared: list[torch.library.Library] = []  # the declaration lives as long as this reference


def import_torchvision() -> ModuleType:
    """torchvision, imported; cured first when its import fails for want of its own operators, and only then.

    Raises:
        ImportError, RuntimeError, OSError: torchvision is missing or broken in another way.
    """
    try:
        return _import()
    except (RuntimeError, ImportError, OSError) as error:
        if "torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in _MISSING:
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _declared.append(library)
    return _import()


def _import() -> ModuleType:
    with _without_compiler():
        import torchvision

    return torchvision  # type: ignore[no-any-return]


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Whoever takes `is_compile_supported` from the compiler meanwhile gets one that loads it when it is called."""
    if _COMPILER in sys.modules:
        yield
        return
    stand_in = ModuleType(_COMPILER)
    stand_in.is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    sys.modules[_COMPILER] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]


def _is_compile_supported(device_type: str) -> bool:
    from torch._dynamo.utils import is_compile_supported

    return is_compile_supported(device_type)  # type: ignore[no-any-return]
