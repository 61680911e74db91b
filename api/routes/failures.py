"""What imports could not bring in."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.answered.answers import Failures, Json
from api.answered.rendering import failure_of
from api.asked.parameters import ONLY_KNOWN, Cursor, Limit
from api.door import TheDoor

router = APIRouter(prefix="/api", tags=["jobs"], dependencies=[ONLY_KNOWN])


@router.get("/failures", response_model=Failures)
async def list_failures(door: TheDoor, limit: Limit = 50, cursor: Cursor = "0") -> Response:
    """What imports could not bring in. Each row has its reason and how often it was tried.

    One that comes in later, because it or its catalogue was mended and imported again, leaves the list.
    """
    found = await door.run(door.app.failures)
    start, end = int(cursor), int(cursor) + limit
    after = str(end) if end < len(found) else None

    def answer() -> dict[str, Any]:
        page = [failure_of(failure, paths=door.options.allow_paths) for failure in found[start:end]]
        return {"num_failures": len(found), "failures": page, "next_cursor": after}

    return Json(await door.written(answer, rows=limit))
