"""The state of a training as names of tensors and plain JSON, so that it lies in the same kind of file as a model."""

from typing import Any

from torch import Tensor


def packed(state: Any) -> tuple[dict[str, Tensor], Any]:
    """Tensors by number, and the rest with a mark where each of them belongs.

    A state is made of dicts with keys of any plain type, lists, tuples (which come back as lists), tensors, text, numbers, truth values
    and None.

    Raises:
        TypeError: it holds something else.
    """
    tensors: dict[str, Tensor] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, Tensor):
            name = f"tensor {len(tensors)}"
            tensors[name] = value
            return {"tensor": name}
        if isinstance(value, dict):
            return {"dict": [[walk(key), walk(entry)] for key, entry in value.items()]}
        if isinstance(value, list | tuple):
            return [walk(entry) for entry in value]
        if value is None or isinstance(value, str | bool | int | float):
            return value
        raise TypeError(f"a training's state cannot hold a {type(value).__name__}")

    return tensors, walk(state)


def unpacked(tensors: dict[str, Tensor], plain: Any) -> Any:
    """The state that was packed.

    Raises:
        KeyError, TypeError, ValueError: this is nothing that `packed` made.
    """
    if isinstance(plain, list):
        return [unpacked(tensors, entry) for entry in plain]
    if isinstance(plain, dict):
        if set(plain) == {"tensor"}:
            return tensors[plain["tensor"]]
        return {unpacked(tensors, key): unpacked(tensors, value) for key, value in plain["dict"]}
    return plain
