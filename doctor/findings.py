"""What the doctor says."""

import shlex
from dataclasses import dataclass
from pathlib import Path

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
    """

    code: str
    what: str
    cure: str
    fault: bool = True


def quoted(path: Path) -> str:
    """A path as a shell reads it."""
    return shlex.quote(str(path))
