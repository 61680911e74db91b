"""Long work in the background: one job at a time on a collection, watched, paused and stopped by any number of people and programs."""

from crossmodal.jobs.manager import JobManager
from crossmodal.jobs.store import UNDER_WAY, FileJobStore, JobStatus

__all__ = ["UNDER_WAY", "FileJobStore", "JobManager", "JobStatus"]
