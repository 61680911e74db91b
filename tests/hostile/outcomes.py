"""What came of a hostile input, and whether the manifest wanted it so."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crossmodal.errors import CrossmodalError


@dataclass
class Outcome:
    """`value` when it was accepted, else `code`; what is neither is a raw exception in `raw`."""

    value: Any = None
    code: str = ""
    message: str = ""
    raw: str = ""
    seconds: float = 0.0
    peak_mb: float = 0.0

    def complaint(self, outcome: str, codes: str) -> str:
        """Empty when it is as expected: `outcome` is accept, reject or either; `codes` the codes that will do, any when empty."""
        if self.raw:
            return f"an exception that is not ours: {self.raw}"
        if not self.code:
            return "was accepted" if outcome == "reject" else ""
        if outcome == "accept":
            return f"was refused: {self.code}, {self.message}"
        return f"{self.code} is none of {codes}" if codes and self.code not in codes.split("|") else ""


def outcome_of(work: Callable[[], Any]) -> Outcome:
    """Run it, whatever it does."""
    begun = time.monotonic()
    result = Outcome()
    try:
        result.value = work()
    except CrossmodalError as error:
        result.code, result.message = error.code, str(error)
        if "\n" in error.sentence or "Traceback" in error.sentence or not error.remedy:
            result.raw = f"no sentence for a person: {error.sentence!r}"
    except Exception as error:  # noqa: BLE001  anything else is what these tests look for
        result.raw = repr(error)
    result.seconds = time.monotonic() - begun
    return result
