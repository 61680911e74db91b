"""The OpenAPI document: responses common to all routes."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from api.errors import is_reference
from api.responses import ErrorAnswer, FlatErrorAnswer

DESCRIPTION = """
Search a collection of pictures by words, by a picture, or by both, and keep it. The same collection is open in the app and from the
command line; all of them see the same items at the same moment.

**Refusals** have one shape, `{"error": {"code", "message", "remedy"}}`. Under the addresses marked *reference* `error` is a text, as
clients of that contract expect, with the same three fields beside it in `details`; send `X-Error-Shape: object` to get the one shape
there too.
"""

TAGS = [
    {"name": "reference", "description": "The contract that existing clients speak."},
    {"name": "search", "description": "Text, picture, both; many queries at once; spelling."},
    {"name": "items", "description": "List, add, change, remove."},
    {"name": "jobs", "description": "Long work: import and export."},
    {"name": "operation", "description": "Figures for monitoring."},
]

SENTENCES = {
    200: "As asked.",
    201: "It is in the collection.",
    202: "As it stands now.",
    204: "It is gone.",
    400: "The request cannot be understood.",
    401: "No key, or a wrong one.",
    403: "Not from this page or origin.",
    404: "It is not there.",
    405: "Another method is meant.",
    408: "The body took too long to arrive.",
    409: "Another job is running.",
    413: "Too much, or too long.",
    415: "Of a type that is not read.",
    416: "The file has no such part.",
    422: "A field, a text or a picture is not as it must be.",
    429: "Too many requests; `Retry-After` says when to come again.",
    431: "The headers are too long.",
    500: "A fault of the program; the log has the details under the reference number.",
    502: "The address did not answer as it should.",
    503: "Too much at once, or the collection cannot be written; `Retry-After` says when to come again.",
    504: "The address or the picture took too long.",
    507: "The disk is full.",
}
_FRAMEWORKS_OWN = "Successful Response"
_EVERYWHERE = (400, 401, 403, 405, 408, 413, 429, 431, 500, 503)


def told(header: str, what: str) -> dict[str, Any]:
    """A header of an answer, for `headers=`."""
    return {header: {"description": what, "schema": {"type": "string"}}}


_RETRY = told("Retry-After", "seconds")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route beyond those that every route has, for `responses=`."""
    return {status: {"description": SENTENCES[status]} for status in statuses}


def install(api: FastAPI, *, with_keys: bool) -> None:
    """Complete the document the framework draws up."""

    def document() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = _completed(
                get_openapi(title=api.title, version=api.version, description=api.description, routes=api.routes, tags=TAGS),
                with_keys=with_keys,
            )
        return api.openapi_schema

    api.openapi = document  # type: ignore[method-assign]


def _completed(document: dict[str, Any], *, with_keys: bool) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for model in (ErrorAnswer, FlatErrorAnswer):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(operation, path)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schemas |= content["schema"].pop("$defs", {})
    if with_keys:
        components["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["security"] = [] if path == "/health" else [{"key": []}, {"bearer": []}]
    return document


def _complete(operation: dict[str, Any], path: str) -> None:
    operation["summary"] = operation.get("description", "").partition(". ")[0].partition("\n")[0].rstrip(".")
    reference = is_reference(path)
    responses: dict[str, Any] = operation["responses"]
    responses.pop("422", None)  # the framework's own, of another shape
    for number in (*_EVERYWHERE, *(() if reference else (422,))):
        responses.setdefault(str(number), {"description": SENTENCES[number]})
    shape = {"$ref": f"#/components/schemas/{'FlatErrorAnswer' if reference else 'ErrorAnswer'}"}
    for status, response in responses.items():
        if response.get("description") == _FRAMEWORKS_OWN:
            response["description"] = SENTENCES[int(status)]
        if int(status) >= 400:
            response["content"] = {"application/json": {"schema": shape}}
            if int(status) in (429, 503):
                response["headers"] = _RETRY
    operation["responses"] = dict(sorted(responses.items()))


FORM_MEDIA = "image/png, image/jpeg, image/webp, image/gif, image/bmp"
_NOT_IN_FORMS = frozenset({"image_id", "image_index", "image_url", "items"})
_AS_JSON = frozenset({"where", "attributes"})

_REF = "#/components/schemas/{model}"

Schema = dict[str, Any]


def body(
    model: type[BaseModel],
    *examples: dict[str, Any],
    file: str | None = None,
    many: bool = False,
    one_of: tuple[str, ...] = (),
    or_else: str | None = None,
) -> Schema:
    """What `api.request_body.read` takes, for `openapi_extra`. Models in the model lie under `$defs`, from where `documents` takes them.

    Args:
        examples: questions in JSON that can be tried as they are.
        file: field of a form that holds a picture; None takes no forms.
        many: whether it may come several times.
        one_of: fields of which exactly one is given in JSON.
        or_else: the field that will do when none of them is.
    """
    schema = model.model_json_schema(ref_template=_REF)
    if one_of:
        schema["oneOf"] = [_needs(schema, name) for name in one_of]
    if or_else is not None:
        absent = {name: {"type": "null"} for name in one_of}
        alone = _needs(schema, or_else)
        schema["oneOf"].append(alone | {"properties": alone["properties"] | absent})
    named = {" and ".join(example): {"value": example} for example in examples}
    content: Schema = {"application/json": {"schema": schema} | ({"examples": named} if named else {})}
    if file is not None:
        content["multipart/form-data"] = _form(model, file, many=many, or_else=or_else)
    return {"requestBody": {"required": True, "content": content}}


def _needs(schema: Schema, name: str) -> Schema:
    return {"required": [name], "properties": {name: _without_null(schema["properties"][name])}}


def _form(model: type[BaseModel], file: str, *, many: bool, or_else: str | None) -> Schema:
    schema = model.model_json_schema(ref_template=_REF)
    picture: Schema = {"type": "string", "format": "binary"}
    properties = (
        {} if many else {name: _without_null(field) for name, field in schema["properties"].items() if name not in _NOT_IN_FORMS}
    )
    properties[file] = {"type": "array", "items": picture, "minItems": 1, "maxItems": 200} if many else picture
    encoding: Schema = {name: {"contentType": "application/json"} for name in properties if name in _AS_JSON}
    encoding[file] = {"contentType": FORM_MEDIA}
    needs: Schema = {"anyOf": [{"required": [file]}, {"required": [or_else]}]} if or_else else {"required": [file]}
    form = {
        "type": "object",
        "properties": properties,
        **needs,
        "additionalProperties": schema.get("additionalProperties", True),
    }
    return {"schema": form, "encoding": encoding}


def _without_null(field: Schema) -> Schema:
    """The schema of a field without null, which forms cannot express."""
    kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {name: value for name, value in field.items() if name != "anyOf" and not (name == "default" and value is None)}
    if not kinds:
        return rest
    return rest | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds})
