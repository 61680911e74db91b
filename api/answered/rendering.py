"""From our values to what is answered: plain dictionaries, which is several times faster than models."""

from typing import Any

from api.answered.catalogue_names import shown_item, shown_name, shown_source
from api.answered.errors import said
from crossmodal.items import CaptionResult, Failure, Item, SearchResult
from crossmodal.jobs import JobStatus

EXPORT = "export"
"""What jobs are called that any client may begin."""


def image_path(item: Item) -> str:
    """Where the API serves an item's picture."""
    return f"/api/image/{item.item_id}"


def row_of(result: SearchResult) -> dict[str, Any]:
    """A `Row`."""
    item = result.item
    return {"rank": result.rank, "image_id": str(item.item_id), "image_path": image_path(item), "score": round(result.score, 6)}


def rows_of(results: list[SearchResult]) -> dict[str, Any]:
    """`num_results` and `results` with `Row`s."""
    return {"num_results": len(results), "results": [row_of(result) for result in results]}


def item_of(item: Item, *, paths: bool) -> dict[str, Any]:
    """An `ItemAnswer`; `paths` says whether paths of this computer are told."""
    path = image_path(item)
    if not paths:
        item = shown_item(item)
    return {
        "item_id": str(item.item_id),
        "title": item.title,
        "captions": list(item.captions),
        "attributes": dict(item.attributes),
        "catalogue": item.catalogue,
        "source": item.source,
        "width_px": item.width_px,
        "height_px": item.height_px,
        "added_at": item.added_at,
        "image": path,
        "thumbnail": f"{path}/thumbnail",
    }


def results_of(results: list[SearchResult], *, paths: bool) -> dict[str, Any]:
    """`Results`."""
    found = [
        {"rank": result.rank, "score": round(result.score, 6), "item": item_of(result.item, paths=paths)} for result in results
    ]
    return {"num_results": len(found), "results": found}


def captions_of(found: list[CaptionResult]) -> dict[str, Any]:
    """`Captions`."""
    captions = [
        {"rank": each.rank, "caption": each.caption, "score": round(each.score, 6), "image_id": str(each.item.item_id)}
        for each in found
    ]
    return {"num_captions": len(captions), "captions": captions}


def failure_of(failure: Failure, *, paths: bool) -> dict[str, Any]:
    """A `FailedRow`; `paths` says whether paths of this computer are told."""
    catalogue, location, reason = failure.catalogue, failure.location, failure.reason
    if not paths:
        catalogue, location = shown_name(catalogue), shown_source(location)
        if (
            shown_name(failure.location) != failure.location
        ):  # an absolute path, which the reason repeats; it is always refused as such
            reason = f"{location} lies outside the catalogue's folder."
        reason = reason.replace(failure.location, location)
    return {
        "location": location,
        "title": failure.title,
        "catalogue": catalogue,
        "code": failure.code,
        "reason": reason,
        "remedy": failure.remedy,
        "attempts": failure.attempts,
        "failed_at": failure.failed_at,
    }


def job_of(status: JobStatus, *, paths: bool) -> dict[str, Any]:
    """A `Job`; `paths` says whether paths of this computer are told.

    Where they are not, nobody but the owner begins anything but an export, and how another job ended is told in figures only: its own words
    name the folders it read.
    """
    at, error = status.progress, None if status.error is None else said(status.error)
    message = status.message
    told = paths or status.name == EXPORT
    if error is not None and not told:
        error = {"code": error["code"], "message": "The job failed.", "remedy": "Its owner finds the details in the log."}
    if status.state == "failed":  # the job's own words may name files of this computer
        message = f"{error['message']} {error['remedy']}".strip() if error else "Something went wrong inside the program."
    elif status.state == "done" and not told:
        message = "The job is done."
    return {
        "job_id": status.job_id,
        "name": status.name,
        "state": status.state,
        "message": message,
        "done": at.done,
        "total": at.total,
        "failed": at.failed,
        "rate_per_s": at.rate_per_s,
        "seconds_left": at.seconds_left,
        "started_at": status.started_at,
        "ended_at": status.ended_at,
        "error": error,
    }
