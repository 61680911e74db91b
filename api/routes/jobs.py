"""Background jobs (import, export; one at a time) and exported files."""

from collections.abc import Awaitable
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from starlette.responses import Response

from api.deps import Services, ServicesDep
from api.errors import Json, Overload, error_response
from api.exports import MEDIA_TYPES, Download, delete_export, export_file, export_files, start_export
from api.openapi import problems, told
from api.parameters import ONLY_KNOWN, JobId
from api.request_body import FormRoute, JsonRoute, from_form
from api.responses import Exports, Job, Jobs
from api.schemas import ExportRequest, ImportRequest, examples
from crossmodal.errors import AccessError, BusyError
from crossmodal.jobs import JobStatus

router = APIRouter(prefix="/api", tags=["jobs"], dependencies=[ONLY_KNOWN], route_class=JsonRoute)

_CONTENT: dict[str, Any] = {
    kind.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": _CONTENT},
    206: {"description": "The requested parts.", "content": _CONTENT | {"multipart/byteranges": {}}},
}
_BEGUN: dict[int | str, dict[str, Any]] = {202: {"headers": told("Location", "path of the job")}}
ExportName = Annotated[str, InPath(max_length=200, description="as `GET /api/exports` lists it")]


@router.post("/jobs/import", status_code=202, response_model=Job, responses=_BEGUN | problems(404, 409, 415, 422))
async def start_import(
    request: Request, services: ServicesDep, question: Annotated[ImportRequest, examples({"location": "/path/to/folder-or.csv"})]
) -> Response:
    """Index a catalogue on the server.

    For instance a CSV or a folder. Allowed on loopback, or if the server is configured so.
    """
    if not services.options.allow_paths:
        raise AccessError(
            "forbidden", "Folders of this computer are not open to the network.", remedy="Send pictures with POST /api/items/batch."
        )
    return await _started(request, services, services.run(services.app.start_indexing, question.location))


@router.post("/jobs/export", status_code=202, response_model=Job, responses=_BEGUN | problems(404, 409, 415, 422, 507))
async def begin_export(
    request: Request, services: ServicesDep, question: Annotated[ExportRequest, examples({"kind": "csv"})]
) -> Response:
    """Export the collection, or the items that match a filter.

    As CSV, as Parquet, or as vectors with the ids in a second file. `GET /api/exports` lists the file when it is done; the
    newest twenty exports are kept.
    """
    where = await services.stored(question.where)
    return await _started(
        request,
        services,
        services.run(start_export, services.app, services.options.export_dir, question.kind, where, shown=services.shown),
    )


forms = APIRouter(prefix="/api", dependencies=[ONLY_KNOWN], route_class=FormRoute, include_in_schema=False)
forms.post("/jobs/import")(from_form(start_import))
forms.post("/jobs/export")(from_form(begin_export))


@router.get("/jobs", response_model=Jobs)
async def list_jobs(services: ServicesDep) -> Response:
    """List the last jobs, newest first."""
    jobs = await services.run(services.app.jobs.history)
    return Json({"jobs": [services.job(status) for status in jobs]})


@router.get("/jobs/{job_id}", response_model=Job, responses=problems(404))
async def get_job(services: ServicesDep, job_id: JobId) -> Response:
    """Get the state of a job."""
    return Json(services.job(await services.run(services.app.jobs.status, job_id)))


@router.post("/jobs/{job_id}/cancel", status_code=202, response_model=Job, responses=problems(404))
async def cancel_job(services: ServicesDep, job_id: JobId) -> Response:
    """Cancel a job; completed work is kept. A job that has ended stays as it is."""
    await services.run(services.app.jobs.stop, job_id)
    return Json(services.job(await services.run(services.app.jobs.status, job_id)), status_code=202)


@router.get("/exports", response_model=Exports)
async def list_exports(services: ServicesDep) -> Response:
    """List the names of finished exports, newest first."""
    found = await services.run(export_files, services.options.export_dir)
    return Json({"exports": [path.name for path in found]})


@router.get("/exports/{name}", response_class=Response, responses=_FILE | problems(404, 416))
async def get_export(services: ServicesDep, name: ExportName) -> Response:
    """Download a finished export, or the parts named by the header `Range`."""
    return await services.run(Download, await services.run(export_file, services.options.export_dir, name))


@router.delete("/exports/{name}", status_code=204, response_class=Response, responses=problems(404))
async def remove_export(services: ServicesDep, name: ExportName) -> Response:
    """Delete a finished export."""
    await services.run(delete_export, services.options.export_dir, name)
    return Response(status_code=204)


async def _started(request: Request, services: Services, starting: Awaitable[JobStatus]) -> Response:
    try:
        status = await starting
    except BusyError as error:  # not an overload, but a conflict: only one job runs at a time
        conflict = Overload(error.code, error.message, remedy=error.remedy)
        return error_response(conflict, request.scope, status=409)
    return Json(
        services.job(status), status_code=202, headers={"Location": f"{services.options.root_path}/api/jobs/{status.job_id}"}
    )
