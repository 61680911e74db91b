"""Long work in the background: one job at a time on a collection, watched, paused and stopped by any number of people and processes."""

from crossmodal.jobs.manager import JobManager
from crossmodal.jobs.store import HISTORY_SIZE, UNDER_WAY, JobStatus, JobStore, Request

__all__ = ["HISTORY_SIZE", "UNDER_WAY", "JobManager", "JobStatus", "JobStore", "Request"]
