"""What the doctor says."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from crossmodal.errors import CrossmodalError
from crossmodal.images.decoder import Decoder
from crossmodal.store import Store
from engine.models.trained import TrainedModel

MEND = "python cli.py index --mend"
INSTALL = "python -m pip install -r requirements.txt"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    Attributes:
        code: short name, stable for scripts.
        what: one sentence, with the value.
        cure: the one command that mends it.
        fault: False for what only deserves a look.
        item_ids: of the items it is about, where the cure takes ids; `doctor --ids CODE` prints them all.
    """

    code: str
    what: str
    cure: str
    fault: bool = True
    item_ids: tuple[int, ...] = ()


def cure_of(error: CrossmodalError) -> str:
    """The command that mends what a check ran into; where none does (a newer store, a disk that is full or closed), what to do instead."""
    return MEND if error.code == "index_corrupt" or not error.remedy else error.remedy


def quoted(path: Path) -> str:
    """A path as a shell reads it."""
    return shlex.quote(str(path))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an installation lies. `project` holds requirements.txt and the program."""

    project: Path
    data_dir: Path
    store_path: Path
    index_path: Path
    model_path: Path


@dataclass(slots=True)
class Subject:
    """An installation under examination.

    Attributes:
        catalog: the store, once it was found sound enough to be opened; None otherwise.
        model: the model, once it was found usable; None otherwise.
    """

    place: Place
    decoder: Decoder
    store: Store | None = None
    model: TrainedModel | None = None
