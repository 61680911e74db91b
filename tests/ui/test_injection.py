"""Hostile texts as title, category, source, catalogue name and question: no place that reads Markdown or HTML gets them unescaped."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from crossmodal.items import Failure
from tests.ui.conftest import key
from tests.ui.fake_app import FakeApp, draw
from tests.ui.injections import INJECTIONS
from ui.formatting import clean, literal, shorten

pytestmark = pytest.mark.slow

READS_MARKDOWN = ("markdown", "caption", "error", "warning", "info", "success", "title", "header", "subheader")


def markdown_places(at: AppTest) -> Iterator[str]:
    for kind in READS_MARKDOWN:
        yield from (str(element.value) for element in getattr(at, kind))
    yield from (button.label for button in at.button)
    yield from (button.help for button in at.button if button.help)
    yield from (bar.text for bar in at.progress)
    for pills in at.pills:
        yield from (pills.label, *pills.options)
    for table in at.table:
        yield from (str(cell) for cell in table.value.to_numpy().ravel())
        yield from (str(name) for name in (*table.value.index, *table.value.columns))


@pytest.fixture
def poisoned(collection: FakeApp) -> FakeApp:
    for number, text in enumerate(INJECTIONS):
        picture = draw("box", "green", "dotted", size=(61 + number, 60))
        collection.put(picture, text, origin=text, attributes={text: text}, source=text)
        collection.failed.append(Failure(text, text, text, text, "not_an_image", text, text))
    collection.model = replace(collection.model, weights_note=" ".join(INJECTIONS))
    return collection


def test_titles_attributes_sources_and_questions(visit: Callable[..., AppTest], poisoned: FakeApp) -> None:
    at = visit()
    for item_id, text in enumerate(INJECTIONS, start=31):
        at.text_input(key=key(at, "words")).set_value(text)
        at.session_state["details"] = item_id
        at.run()
        shown = [element.value for element in at.text]
        assert f"“{shorten(text, 120)}”" in at.get_by_key("asked").text[0].value
        assert clean(text) in shown
        assert clean(text) == at.get_by_key("details-title").text[0].value
        _nothing_raw(at)


def test_links_and_undo(visit: Callable[..., AppTest], poisoned: FakeApp) -> None:
    at = visit(like="31")
    assert clean(INJECTIONS[0]) in at.get_by_key("asked").text[0].value
    at.session_state["removed"] = poisoned.item(32)
    at.run()
    assert clean(INJECTIONS[1]) in at.get_by_key("undo").text[0].value
    _nothing_raw(at)


def test_captions_and_narrowing(visit: Callable[..., AppTest], collection: FakeApp) -> None:
    for number, text in enumerate(INJECTIONS[:12]):  # as many as are shown in a row
        collection.put(draw("box", "green", "dotted", size=(61 + number, 60)), text, attributes={INJECTIONS[0]: text})
    at = visit(like="31", q=INJECTIONS[1], **{f"where.{INJECTIONS[0]}": INJECTIONS[2]})
    at.session_state["narrow"] = True
    at.run()
    assert any(len(pills.options) == 12 for pills in at.pills)
    assert [button for button in at.button if str(button.key).startswith("caption-")]
    _nothing_raw(at)


@pytest.mark.parametrize("tab", ["Pictures", "Catalogues", "Failed rows"])
def test_collection(visit: Callable[..., AppTest], poisoned: FakeApp, tab: str) -> None:
    at = visit("collection")
    at.session_state["browse"] = [30]
    at.session_state["part"] = tab
    at.run()
    if tab == "Failed rows":
        assert at.dataframe[0].value["Why"].tolist() == [clean(text) for text in INJECTIONS]
    _nothing_raw(at)


def test_model_page(visit: Callable[..., AppTest], poisoned: FakeApp) -> None:
    poisoned.generations = [replace(poisoned.generations[0], model_id=text, name=text) for text in INJECTIONS]
    poisoned.own = replace(poisoned.figures, result=replace(poisoned.figures.result, warnings=INJECTIONS))
    _nothing_raw(visit("model"))


def _nothing_raw(at: AppTest) -> None:
    assert not at.exception
    places = list(markdown_places(at))
    for text in INJECTIONS:
        shown, escaped = clean(text), literal(text)
        if shown != escaped:
            assert not [place for place in places if shown in place and escaped not in place]
        assert all(shown not in str(element.value) for element in at.html)
