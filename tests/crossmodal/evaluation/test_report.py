"""Reports: every figure in each of them, valid JSON, and no word of a user's that becomes markup."""

import json
import math
import re
from html.parser import HTMLParser

import pytest
import torch

from benchmarks.evaluation_memory import made_up
from crossmodal.evaluation.evaluator import evaluate_bidirectional_retrieval
from crossmodal.evaluation.report import html_report, json_report, markdown_report, text_table
from crossmodal.evaluation.result import RetrievalResult

HOSTILE = '<script>alert(1)</script> & "quoted" | `x` {body}'


@pytest.fixture(scope="module")
def result() -> RetrievalResult:
    return evaluate_bidirectional_retrieval(*made_up(30, 5, 16), resamples=20)


@pytest.fixture(scope="module")
def broken() -> RetrievalResult:
    return evaluate_bidirectional_retrieval(torch.full((3, 2), math.nan), torch.eye(2).repeat(3, 1)[:3], resamples=0)


def test_json_holds_everything(result: RetrievalResult) -> None:
    held = json.loads(json_report(result))
    assert held == json.loads(json.dumps(result.to_dict()))
    assert set(held["text_to_image"]) >= {"recall_at_1", "recall_at_10", "median_rank", "mean_rank", "mean_reciprocal_rank", "ndcg"}
    assert set(held["text_to_image"]["recall_at_1"]) == {"value", "low", "high", "chance"}


def test_tables_show_figure_interval_and_chance(result: RetrievalResult) -> None:
    recall = result.text_to_image.recall[10]
    shown = [f"{100 * recall.value:.2f}", f"{100 * recall.low:.2f} – {100 * recall.high:.2f}", f"{100 * recall.chance:.2f}"]
    [line] = [line for line in markdown_report(result).splitlines() if line.startswith("| R@10")]
    assert [cell.strip() for cell in line.split("|")[2:5]] == shown
    [line] = [line for line in text_table(result).splitlines() if line.startswith("R@10")]
    assert re.split(r"\s{2,}", line)[1:4] == shown
    assert all(f"<td>{cell}</td>" in html_report(result) for cell in shown)


def test_columns_of_the_text_table_line_up(result: RetrievalResult) -> None:
    lines = text_table(result).splitlines()[:9]
    assert len({len(line) for line in lines}) == 1


def test_every_row_of_the_markdown_table_has_seven_cells(result: RetrievalResult) -> None:
    rows = [line for line in markdown_report(result, title="a | b").splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {8}


class Page(HTMLParser):
    """Tags and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_html_is_one_file_and_escapes_every_word(result: RetrievalResult) -> None:
    page = Page(html_report(result, title=HOSTILE, about={HOSTILE: HOSTILE}, plots=[(HOSTILE, b"\x89PNG")]))
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.words.count(HOSTILE) == 5  # title, heading, name, words and caption
    [image] = [attributes for tag, attributes in page.tags if tag == "img"]
    assert image == {"alt": HOSTILE, "src": "data:image/png;base64,iVBORw=="}
    assert not [attributes for _, attributes in page.tags if "href" in attributes]


def test_markdown_title_is_plain_words(result: RetrievalResult) -> None:
    heading = markdown_report(result, title="a\n# <b>*x*").splitlines()[0]
    assert heading == "## a \\# \\<b\\>\\*x\\*"


def test_what_is_not_a_number_is_a_dash_and_warnings_come_first(broken: RetrievalResult) -> None:
    assert text_table(broken).startswith("Careful: 3 of 3 image embeddings")
    assert "nan" not in text_table(broken) + html_report(broken) + markdown_report(broken)
    assert "**Careful:**" in markdown_report(broken)
    assert 'class="careful"' in html_report(broken)
    assert json.loads(json_report(broken))["text_to_image"]["recall_at_1"]["low"] is None


@pytest.mark.slow
def test_a_small_chance_does_not_read_as_none() -> None:
    images, _ = made_up(20_001, 1, 2)
    result = evaluate_bidirectional_retrieval(images, images[:1], [1], image_of_text=torch.tensor([0]), resamples=0)
    [line] = [line for line in markdown_report(result).splitlines() if line.startswith("| R@1")]
    assert line.split("|")[4].strip() == "0.005"
