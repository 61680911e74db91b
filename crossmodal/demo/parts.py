"""What a drawn thing is made of: parts in the order they are painted, as plain values."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from crossmodal.demo.geometry import Path, Point


class Paint(Enum):
    """How a part is filled. `CLOTH` carries the item's colour and pattern; tones darken or lighten what lies below."""

    CLOTH = auto()
    DARK = auto()
    METAL = auto()
    WOOD = auto()
    PALE = auto()
    CREASE = auto()
    SHADE = auto()
    SHINE = auto()


TONES = frozenset({Paint.CREASE, Paint.SHADE, Paint.SHINE})


@dataclass(frozen=True, slots=True)
class Part:
    """One painted form: the area inside `path`, or, with a `width`, a line of that width along it with round ends."""

    path: Path
    paint: Paint
    width: float = 0.0


def area(path: Sequence[Point], paint: Paint = Paint.CLOTH) -> Part:
    """The area inside a closed path."""
    return Part(list(path), paint)


def line(path: Sequence[Point], width: float, paint: Paint = Paint.CREASE) -> Part:
    """A line along an open path."""
    return Part(list(path), paint, width)
