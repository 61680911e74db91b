"""Messages of invalid requests name the field and the value, in plain words rather than the library's."""

import json

import pytest
from starlette.testclient import TestClient

ATTRIBUTES_20 = {f"a{number}": "x" for number in range(21)}


@pytest.mark.parametrize(
    ("path", "question", "message"),
    [
        ("/search", [], "The body must be a table of names and values."),
        ("/correct-query", {}, "The field query is missing."),
        ("/api/search/text", {"top_k": 3}, "The field query is missing."),
        ("/search", {"query": 5}, "query: must be a text, not 5."),
        ("/search", {"query": "red", "bogus": 1}, "bogus: is not a field that is read here."),
        ("/search", {"query": "red", "top_k": "10"}, 'top_k: must be a whole number, not "10".'),
        ("/search", {"query": "red", "top_k": 1.5}, "top_k: must be a whole number, not 1.5."),
        ("/search", {"query": "red", "top_k": 0}, "top_k: must be at least 1, not 0."),
        ("/search", {"query": "red", "top_k": 9_999}, "top_k: must be at most 1,000, not 9999."),
        ("/search", {"query": "red", "top_k": 10**80}, f"top_k: must be at most 1,000, not 1{'0' * 59}…."),
        ("/search", {"query": "red", "weight": 2}, "weight: must be at most 1.0, not 2."),
        ("/search", {"query": "red", "where": {"colour": 5}}, "where.colour: must be a text or a list of texts, not 5."),
        ("/search", {"query": "red", "where": {"colour": ["a", 5]}}, "where.colour.1: must be a text, not 5."),
        ("/search", {"query": "red", "where": {"colour": []}}, "where.colour: must have at least one entry, not []."),
        ("/search", {"query": "red", "where": ATTRIBUTES_20}, "where: must have at most 20 entries, not "),
        ("/search", {"query": "red", "where": {"": "x"}}, 'A name in where: must have at least one character, not "".'),
        ("/search", {"query": "red", "where": {"query": 5}}, "where.query: must be a text or a list of texts, not 5."),
        ("/search", {"image_id": True}, "image_id: must be a text or a whole number, not true."),
        ("/api/search/batch", {"queries": []}, "queries: must have at least one entry, not []."),
        ("/api/search/batch", {"queries": ["red", 5]}, "queries.1: must be a text, not 5."),
        ("/api/search/batch", {"queries": ["red", "blue", " "]}, "queries.2: The query is empty."),
        ("/api/items/batch", {"items": [{}]}, "The field items.0.image_url is missing."),
        ("/api/jobs/export", {"kind": "xml"}, "kind: must be 'csv', 'parquet' or 'npy', not \"xml\"."),
    ],
)
def test_a_fault_of_a_body_is_named(client: TestClient, path: str, question: object, message: str) -> None:
    answer = client.post(path, json=question, headers={"X-Error-Shape": "object"})
    assert answer.status_code in (400, 422)
    said = answer.json()["error"]["message"]
    assert said == message if message.endswith(".") else said.startswith(message)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/api/items?limit=0", 'limit: must be at least 1, not "0".'),
        ("/api/items?limit=x", 'limit: must be a whole number, not "x".'),
        ("/api/items?bogus=1", "There is no parameter 'bogus'."),
        ("/api/items/1?limit=1", "There is no parameter 'limit'."),
        ("/api/items?limit=1&limit=2", "The parameter 'limit' comes twice."),
        ('/api/items?where={"a":"b"}&where={"c":"d"}', "The parameter 'where' comes twice."),
        ("/api/items?where=[1]", "where: must be a table of names and values, not [1]."),
        ("/api/items?where={", "The parameter where is not JSON."),
        ('/api/items?where={"colour":5}', "where.colour: must be a text or a list of texts, not 5."),
        (f"/api/items?where={json.dumps(ATTRIBUTES_20)}", "where: must have at most 20 entries, not "),
        (f"/api/items?where={json.dumps({'a': ['x'] * 101})}", "where.a: must have at most 100 entries, not "),
    ],
)
def test_a_fault_of_a_parameter_is_named(client: TestClient, address: str, message: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_request")
    said = answer.json()["error"]["message"]
    assert said == message if message.endswith(".") else said.startswith(message)


def test_the_remedy_names_fields_that_are_read(client: TestClient) -> None:
    for path, fields in (
        ("/api/items", "image_url"),
        ("/api/search/image", "image_id, image_index, image_url"),
        ("/api/search/image-to-text", "image_id, image_url"),
    ):
        refused = client.post(path, json={}, headers={"X-Error-Shape": "object"}).json()["error"]
        assert refused["remedy"] == f"Give exactly one: {fields}, or a file in the field image."


def test_the_references_clients_may_send_what_they_like(client: TestClient) -> None:
    for address in ("/health?bogus=1", "/api/stats?bogus=1", "/api/image/1?bogus=1", "/metrics?bogus=1"):
        assert client.get(address).status_code == 200


def test_an_id_may_come_as_a_number(client: TestClient) -> None:
    for path in ("/search", "/api/search/image", "/api/search/image-to-text"):
        texts, numbers, wholes = (client.post(path, json={"image_id": each}) for each in ("2", 2, 2.0))
        assert texts.status_code == 200
        assert texts.json() == numbers.json() == wholes.json()
    assert client.post("/search", json={"image_id": 10**17}).status_code == 404
