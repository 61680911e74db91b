"""Long work in the background: one job at a time on a collection, watched, paused and stopped by any number of people and programs."""

from crossmodal.jobs.board import JobBoard
from crossmodal.jobs.folder_shelf import FolderShelf
from crossmodal.jobs.status import UNDER_WAY, JobStatus

__all__ = ["UNDER_WAY", "FolderShelf", "JobBoard", "JobStatus"]
