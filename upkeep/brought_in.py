"""What came of reading a catalogue, in words."""

from dataclasses import dataclass

from crossmodal.ingest.report import IngestReport
from crossmodal.text.counting import counted, were


@dataclass(frozen=True, slots=True)
class BroughtIn:
    """How the rows of one catalogue ended.

    Attributes:
        report: in numbers.
        demo: pictures of the demo that made room for a person's own.
    """

    report: IngestReport
    demo: int = 0

    @property
    def nothing_came(self) -> bool:
        """Whether there were rows and not one of them could be read."""
        return bool(self.report.failed) and not self.report.indexed + self.report.unchanged + self.report.renamed

    @property
    def sentence(self) -> str:
        """For a person; what happened only sometimes is said only then."""
        told = self.report
        parts = [
            f"{counted(told.indexed, 'picture')} indexed, {told.unchanged:,} {were(told.unchanged)} there already, "
            f"{told.failed:,} failed."
        ]
        if told.renamed:
            its = "its name" if told.renamed == 1 else "their names"
            parts.append(f"{counted(told.renamed, 'picture')} only changed {its}.")
        if told.removed:
            parts.append(f"{counted(told.removed, 'picture')} left the collection: the catalogue has no such row or file any more.")
        if told.unread:
            parts.append(f"{counted(told.unread, 'picture')} stay, though not seen: a part of the catalogue could not be read.")
        if self.demo:
            parts.append(f"The demo's {counted(self.demo, 'picture')} made room for yours.")
        return " ".join(parts)
