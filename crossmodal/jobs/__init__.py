"""Long work in the background: one job at a time on a collection, watched, paused and stopped by any number of people and programs."""

from crossmodal.jobs.manager import JobBoard
from crossmodal.jobs.store import UNDER_WAY, FolderShelf, JobStatus

__all__ = ["UNDER_WAY", "FolderShelf", "JobBoard", "JobStatus"]
