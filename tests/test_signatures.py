"""The comparison of a fake with the real class finds what differs."""

from dataclasses import dataclass
from pathlib import Path

from tests.signatures import differences, used_on


class Real:
    def same(self, a: int, *, b: int = 1) -> int:
        return a + b

    def renamed(self, a: int) -> None: ...

    def other_default(self, a: int = 1) -> None: ...

    def other_kind(self, *, a: int) -> None: ...


class Fake:
    def same(self, a: str, *, b: int = 1) -> str:
        return a * b

    def renamed(self, b: int) -> None: ...

    def other_default(self, a: int = 2) -> None: ...

    def other_kind(self, a: int) -> None: ...

    def invented(self) -> None: ...

    def helper(self) -> None: ...


@dataclass
class RealValue:
    name: str

    @property
    def length(self) -> int:
        return len(self.name)


@dataclass
class FakeValue:
    name: str
    length: int
    invented: int = 0


def test_every_difference_of_a_method_is_named() -> None:
    found = differences(Fake, Real, own={"helper"})

    assert [line.split("(")[0] for line in found] == ["Real has no invented", "other_default", "other_kind", "renamed"]


def test_a_field_may_stand_for_a_property_but_not_be_invented() -> None:
    assert differences(FakeValue, RealValue) == ["RealValue has no field invented"]


def test_names_read_from_a_variable_are_collected(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text("def f(app, other):\n    return app.a.b, g(app.c), other.d\n", encoding="utf-8")

    assert used_on("app", tmp_path) == {"a", "c"}
