"""Values of the doctor: findings, and the installation it checks."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from crossmodal.errors import CrossmodalError
from crossmodal.images.decoder import Decoder
from crossmodal.installation import COMMAND, IS_CHECKOUT
from crossmodal.store import Store
from engine.models.trained import TrainedModel

REPAIR = f"{COMMAND} index --repair"
INSTALL = "python -m pip install -r requirements.txt"
"""In a checkout; an installed package has no list of exact versions to compare with."""

_PYTHON = shlex.quote(sys.executable)
RESTORE_PROGRAM = (
    "git checkout -- crossmodal/text/tokenizer.py encoders.py"
    if IS_CHECKOUT
    else f"{_PYTHON} -m pip install --force-reinstall --no-deps WHERE_IT_CAME_FROM"
)
REINSTALL_DECODER = (
    f"{INSTALL} --force-reinstall --no-deps" if IS_CHECKOUT else f"{_PYTHON} -m pip install --force-reinstall --no-deps Pillow"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    Attributes:
        code: short name, stable for scripts.
        what: one sentence, with the value.
        cure: the one command that repairs it.
        fault: False for a mere hint.
        item_ids: the affected items, if the cure takes ids; `doctor --ids CODE` prints them.
    """

    code: str
    what: str
    cure: str
    fault: bool = True
    item_ids: tuple[int, ...] = ()


def cure_of(error: CrossmodalError) -> str:
    """The command that repairs what a check failed on, or advice if there is none (a newer store, a full or read-only disk)."""
    return REPAIR if error.code == "index_corrupt" or not error.remedy else error.remedy


def quoted(path: Path) -> str:
    """Quote a path for the shell."""
    return shlex.quote(str(path))


@dataclass(frozen=True, slots=True)
class Installation:
    """Paths of an installation. `project` contains requirements.txt and the program."""

    project: Path
    data_dir: Path
    store_path: Path
    index_path: Path
    model_path: Path


@dataclass(slots=True)
class Subject:
    """An installation being checked.

    Attributes:
        store: the store, once a check has opened it; otherwise None.
        model: the model, once a check has loaded it; otherwise None.
    """

    place: Installation
    decoder: Decoder
    store: Store | None = None
    model: TrainedModel | None = None
