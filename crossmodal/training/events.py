"""The history for TensorBoard, in the run folder's `events/`."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter


class Events:
    """Scalars by epoch. What a killed run had written after `done` epochs is hidden by TensorBoard when the run goes on.

    Args:
        path: the folder; None writes nothing.
        done: epochs that are in the history already.
    """

    def __init__(self, path: Path | None, *, done: int = 0) -> None:
        self._writer = _writer(path, done + 1) if path is not None else None

    def line(self, line: Mapping[str, float]) -> None:
        """Every number of an epoch's line but the epoch itself."""
        if self._writer is not None:
            for name, value in line.items():
                if name != "epoch":
                    self._writer.add_scalar(name, value, int(line["epoch"]))
            self._writer.flush()

    def __enter__(self) -> "Events":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.close()


def _writer(path: Path, first: int) -> "SummaryWriter":
    from tensorboardX import SummaryWriter  # takes a second to load, which a start of the app need not wait for

    return SummaryWriter(str(path), purge_step=first, flush_secs=30)
