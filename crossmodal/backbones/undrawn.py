"""Networks whose first numbers are not drawn, because others take their place at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import init
from torch.overrides import TorchFunctionMode

# The functions of `init` too: what they call is out of the reach of a function mode that has seen the outer call.
_DRAWING: frozenset[Callable[..., Any]] = frozenset(
    {
        *(torch.Tensor.normal_, torch.Tensor.uniform_),
        *(init.normal_, init.uniform_, init.trunc_normal_, init.orthogonal_),
        *(init.xavier_normal_, init.xavier_uniform_, init.kaiming_normal_, init.kaiming_uniform_),
    }
)


@contextmanager
def undrawn() -> Iterator[None]:
    """Inside, drawing a tensor's numbers leaves the tensor as it is.

    For networks on the device `meta`, which have shapes and no numbers: torch draws even those, through a Python path that loads its
    compiler first, which takes longer than reading the whole model.
    """
    with _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in _DRAWING:
            return args[0] if args else given["tensor"]
        return func(*args, **given)
