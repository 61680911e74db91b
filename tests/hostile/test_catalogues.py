"""Every CSV of the shared hostile corpus, indexed with the real reader, fetcher, decoder and collection.

What the manifest says of a CSV is checked as it stands, with these readings of it:

* `rows` are items in the collection afterwards, `row_errors` are recorded failures, `reported_duplicates` is the report's number.
* `reject` is one error for the file, or no item at all and only failures with one of the codes named, where those are codes of rows.
* `missing_id` assumes that every catalogue needs an id. Ours does not: without one a row is known by its picture's address and title,
  so the twenty equal rows are one item and nineteen reported duplicates.
* `export_neutralised` and `shown_literally` concern export and display. Here the titles must be stored as they are in the file.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crossmodal.errors import HTTP_STATUS
from tests.shared_data import SHARED, needs_shared

pytestmark = [pytest.mark.hostile, pytest.mark.slow, needs_shared("hostile/make_corpus.py")]

Ended = dict[str, tuple[dict[str, Any], dict[str, Any]]]
WITHOUT_ID = "csv/missing_id"
ROW_CODES = {"row_errors", "csv_field_too_large", "csv_malformed"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def ended(folder: Path) -> Ended:
    """How each entry ended: id to (manifest entry, outcome)."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.csv_reading", SHARED / "hostile" / "make_corpus.py", folder],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["entry"]["id"]: (line["entry"], line["outcome"]) for line in lines}


def disagreement(entry: dict[str, Any], outcome: dict[str, Any]) -> str:
    """Why the outcome is not what the manifest says; empty when it is."""
    expect = entry["expect"]
    codes = set(expect.get("code", "").split("|"))
    if "error" in outcome:
        if expect["outcome"] == "accept" or outcome["error"] not in codes:
            return f"refused with {outcome['error']}"
        return f"answers {outcome['http']}" if expect.get("http", outcome["http"]) != outcome["http"] else ""
    if expect["outcome"] == "reject" and not (
        outcome["rows"] == 0 and {code for code, _, _ in outcome["failures"]} <= codes & ROW_CODES
    ):
        return f"accepted with {outcome['rows']} rows"
    for name, ours in (("rows", "rows"), ("row_errors", "failed"), ("reported_duplicates", "duplicates")):
        if expect.get(name, outcome[ours]) != outcome[ours]:
            return f"{name}: {outcome[ours]} and not {expect[name]}"
    return ""


def test_the_whole_class_was_run_and_the_plain_one_is_accepted(ended: Ended) -> None:
    assert len(ended) == 51
    assert ended["csv/ok"][1]["rows"] == 20


def test_every_csv_ends_as_its_manifest_says(ended: Ended) -> None:
    wrong = {name: disagreement(entry, outcome) for name, (entry, outcome) in ended.items() if name != WITHOUT_ID}
    assert {name: why for name, why in wrong.items() if why} == {}


def test_a_csv_without_an_id_is_known_by_address_and_title(ended: Ended) -> None:
    outcome = ended[WITHOUT_ID][1]
    assert (outcome["rows"], outcome["failed"], outcome["duplicates"]) == (1, 0, 19)


def test_every_csv_stays_within_its_time_and_memory(ended: Ended) -> None:
    over = {
        name: (outcome["seconds"], outcome["rss_mb"])
        for name, (entry, outcome) in ended.items()
        if outcome["seconds"] > entry["limit"]["seconds"] or outcome["rss_mb"] > entry["limit"]["rss_mb"]
    }
    assert over == {}


def test_every_refusal_is_one_sentence_with_a_remedy_and_a_code_of_the_list(ended: Ended) -> None:
    said = [(out["error"], out["message"], out["remedy"]) for _, out in ended.values() if "error" in out]
    said += [tuple(failure) for _, out in ended.values() for failure in out.get("failures", [])]
    assert len(said) > 50
    for code, message, remedy in said:
        assert code in HTTP_STATUS
        assert message
        assert remedy
        assert message.isprintable()
        assert len(message) < 500


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing_title", ["title", '"id", "category", "price", "image_url"']),
        ("missing_image_url", ["image_url", '"id", "title", "category", "price"']),
        ("header_only", ["0 rows"]),
        ("xlsx_as_csv", ["Excel"]),
        ("png_as_csv", ["PNG"]),
        ("gzip_bomb", ["gzip"]),
        ("json_as_csv", ["JSON"]),
    ],
)
def test_refusals_name_what_is_wrong(ended: Ended, name: str, words: list[str]) -> None:
    message = ended[f"csv/{name}"][1]["message"]
    assert all(word in message for word in words)


def test_only_the_broken_row_is_lost_to_an_unclosed_quotation_mark(ended: Ended) -> None:
    outcome = ended["csv/unclosed_quote"][1]
    assert (outcome["rows"], outcome["failed"]) == (500, 1)


def test_no_two_items_under_one_id(ended: Ended) -> None:
    outcome = ended["csv/dup_id_other_content"][1]
    assert (outcome["rows"], outcome["titles"], outcome["failed"]) == (1, ["Blue shirt"], 1)


def test_no_address_of_the_own_network_was_fetched(ended: Ended) -> None:
    codes = sorted(code for code, _, _ in ended["csv/ssrf_urls"][1]["failures"])
    # A comma in the data: address makes one cell too many; the two Windows paths and the absolute one lead outside.
    assert codes == ["path_outside"] * 3 + ["row_errors"] + ["url_blocked_address"] * 4 + ["url_scheme"] * 3


@pytest.mark.parametrize("name", ["formula_titles", "html_titles", "title_nan_text", "unicode_titles", "embedded_newlines"])
def test_titles_are_stored_as_they_are_in_the_file(ended: Ended, folder: Path, name: str) -> None:
    entry, outcome = ended[f"csv/{name}"]
    with (folder / entry["path"]).open(encoding="utf-8", newline="") as file:
        written = [" ".join(row["title"].split()) for row in csv.DictReader(file)]
    # A title that nobody could see (one zero-width mark) is made from the file name.
    assert outcome["titles"] == sorted("base jpeg" if title == "\u200b" else title for title in written)
