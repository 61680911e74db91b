"""Compare a hand-written fake with the class it stands for."""

import ast
import dataclasses
import inspect
from pathlib import Path

Parameters = list[tuple[str, str, object]]
"""Names, kinds and defaults of parameters, in order."""


def differences(fake: type, real: type, *, own: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """What a caller of the real class could not do with the fake in the same way, one line each.

    Every public method of the fake must exist on the real class with the same parameters, and every field of a fake dataclass must be an
    attribute of the real one.

    Args:
        own: names that only tests use.
    """
    found = []
    for name in sorted({name for name in dir(fake) if _is_public(name)} - own):
        ours, theirs = inspect.getattr_static(fake, name), inspect.getattr_static(real, name, None)
        if not callable(getattr(fake, name)) or dataclasses.is_dataclass(fake):
            continue
        if theirs is None:
            found.append(f"{real.__name__} has no {name}")
        elif _parameters(ours) != _parameters(theirs):
            found.append(f"{name}{inspect.signature(ours)} is {name}{inspect.signature(theirs)} in {real.__name__}")
    return found + [f"{real.__name__} has no field {name}" for name in _fields(fake) if name not in {*_fields(real), *dir(real)}]


def used_on(variable: str, folder: Path) -> set[str]:
    """Names of the attributes that the code in a folder reads from a variable of this name."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py")]
    return {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == variable
    }


def _parameters(method: object) -> Parameters:
    signature = inspect.signature(method)  # type: ignore[arg-type]
    return [(each.name, each.kind.name, each.default) for each in signature.parameters.values()]


def _fields(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []


def _is_public(name: str) -> bool:
    return not name.startswith("_")
