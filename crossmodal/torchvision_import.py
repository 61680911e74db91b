"""Import torchvision beside a CPU-only torch.

torchvision's Linux wheel is compiled against a CUDA torch. Beside a CPU build its operator library does not load, and the import dies
with "operator torchvision::nms does not exist" although models and transforms need no such operator (pytorch/pytorch#122494 and #157648
describe users who met it). Declaring the two missing operator schemas makes the import succeed; calling one of them would still fail,
truthfully. Nothing is declared where torchvision imports by itself.
"""

import sys
from types import ModuleType

import torch

_MISSING = ("nms", "qnms")
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
    import torchvision

    return torchvision  # type: ignore[no-any-return]
