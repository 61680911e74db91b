"""The OpenAPI document is valid: references resolve, schemas are schemas, examples validate."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

from api.app import create_api
from api.settings import ApiOptions
from crossmodal.errors import HTTP_STATUS
from crossmodal.jobs import UNDER_WAY
from engine.live import LiveApp
from tests.api.conftest import BASE

KEY = "a key of twenty-four chars"
METHODS = {"get", "post", "patch", "delete"}


@pytest.fixture(scope="module")
def document(live_app: LiveApp) -> dict[str, Any]:
    with TestClient(create_api(live_app, ApiOptions(keys=(KEY,))), base_url=BASE) as client:
        found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def inside(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inside(each)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = [table["$ref"] for table in inside(document) if "$ref" in table]
    assert references
    for reference in references:
        assert reference.startswith("#/components/schemas/"), reference
        assert reference.rpartition("/")[2] in document["components"]["schemas"], reference
    assert not [table for table in inside(document) if "$defs" in table]


def test_every_schema_is_one(document: dict[str, Any]) -> None:
    schemas = [table["schema"] for table in inside(document) if isinstance(table.get("schema"), dict)]
    schemas += document["components"]["schemas"].values()
    assert len(schemas) > 60
    for schema in schemas:
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_operation_is_whole(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    assert {"health", "search", "search_text", "add_item", "list_failures"} <= set(names)
    for path, method, operation in operations(document):
        assert method in METHODS
        declared = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path)), path
        for status, answer in operation["responses"].items():
            assert answer["description"], (path, status)
            bodiless = status in ("204", "304")
            assert bool(answer.get("content")) is not bodiless, (path, status)
        schemes = {name for each in operation["security"] for name in each}
        assert schemes <= set(document["components"]["securitySchemes"])


def test_it_can_be_read_without_the_program(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        assert 5 < len(operation["summary"]) <= 80, (method, path, operation["summary"])
        assert not re.match(r"(One of|The same|It)\b", operation["summary"]), "as if the reader saw what stands above"
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description") or parameter["name"] == "limit", (path, parameter["name"])
        for status, answer in operation["responses"].items():
            assert answer["description"] != "Successful Response", (method, path, status)
    assert not [table for table in inside(document) if "is None" in str(table.get("description"))]


def test_closed_lists_are_listed(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["ErrorDetails"]["properties"]["code"]["enum"] == sorted(HTTP_STATUS)
    assert set(schemas["Job"]["properties"]["state"]["enum"]) == {*UNDER_WAY, "done", "failed", "stopped"}


def test_a_type_that_is_not_read_is_said_wherever_there_is_a_body(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        assert ("requestBody" in operation) == ("415" in operation["responses"]), path


def test_headers_that_clients_need_are_named(document: dict[str, Any]) -> None:
    named = {
        (path, status): set(answer.get("headers", ()))
        for path, _, operation in operations(document)
        for status, answer in operation["responses"].items()
    }
    for path, status, header in (
        ("/api/items", "201", "Location"),
        ("/upload", "200", "Location"),
        ("/api/jobs/export", "202", "Location"),
        ("/api/jobs/import", "202", "Location"),
        ("/api/image/{image_id}", "200", "ETag"),
        ("/api/image/{image_id}/thumbnail", "304", "ETag"),
        ("/search", "503", "Retry-After"),
    ):
        assert header in named[path, status], (path, status)


def test_every_example_is_one(document: dict[str, Any]) -> None:
    names = {f"#/components/schemas/{name}": schema for name, schema in document["components"]["schemas"].items()}
    shown = 0
    for path, _, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        if path not in ("/upload",) and content:
            assert content["examples"], path
        for example in content.get("examples", {}).values():
            schema = {**content["schema"], "components": document["components"]}
            jsonschema.Draft202012Validator(schema).validate(example["value"])
            shown += 1
    assert shown >= 12
    assert names


def test_the_bounds_are_those_that_hold(document: dict[str, Any]) -> None:
    search = document["components"]["schemas"]["AnySearchRequest"]["properties"]
    assert {kind.get("maxLength") for kind in search["image_url"]["anyOf"]} == {2_048, None}
    export = document["paths"]["/api/exports/{name}"]["get"]["responses"]["200"]["content"]
    assert "text/csv" in export


def test_without_documentation_nothing_is_told(live_app: LiveApp) -> None:
    with TestClient(create_api(live_app, ApiOptions(keys=(KEY,), docs=False)), base_url=BASE) as client:
        for path in ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc", "/static-offline-docs/swagger-ui.css"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"X-API-Key": KEY}).status_code == 404
        assert client.get("/health").status_code == 200
