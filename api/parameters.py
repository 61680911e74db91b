"""Query and path parameters."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from pydantic import TypeAdapter, ValidationError

from api.errors import bad_request, invalid
from api.json_text import value_of
from api.schemas import Where

Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str, Query(pattern="^[0-9]{1,18}$", description="`next_cursor` of the page before")]
ItemName = Annotated[str, Path(description="the id of an item, or the name of the file it came from where only one item has it")]
JobId = Annotated[str, Path(description="`job_id` of the job")]
WhereText = Annotated[
    str | None,
    Query(max_length=20_000, description='a filter as JSON, `{"colour": ["red", "blue"]}`', json_schema_extra={"format": "filter"}),
]

_WHERE: TypeAdapter[dict[str, Any]] = TypeAdapter(Where)


def filter_of(text: str | None) -> dict[str, Any] | None:
    """Parse the filter in a query parameter, with the same bounds as in a body. Raises QueryError `bad_request`."""
    if text is None:
        return None
    value = value_of(text.encode("utf-8", "surrogatepass"), "The parameter where")
    try:
        return _WHERE.validate_python(value, strict=True)
    except ValidationError as error:
        raise invalid([{**fault, "loc": ("where", *fault["loc"])} for fault in error.errors(include_url=False)]) from None


async def _only_known(request: Request) -> None:
    """Refuse unknown and repeated parameters, which FastAPI would ignore.

    Raises:
        QueryError: `bad_request`.
    """
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            remedy = f"There are {', '.join(known)}." if known else "Nothing is read from behind the question mark here."
            raise bad_request(f"There is no parameter {name!r:.60}.", remedy)
        if given.count(name) > 1:
            raise bad_request(f"The parameter {name!r:.60} comes twice.", "Give it once.")


ONLY_KNOWN = Depends(_only_known)
"""For all endpoints but those of the compatibility contract, which ignore unknown parameters."""
