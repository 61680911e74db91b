from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from crossmodal.errors import StoreError
from engine.query import Query
from tests.ui.conftest import key
from tests.ui.fake_app import FakeApp, draw
from ui.formatting import ELLIPSIS

Visit = Callable[..., AppTest]


def captions(at: AppTest) -> list:
    return [button for button in at.button if str(button.key).startswith("caption-")]


def show_picture(at: AppTest) -> AppTest:
    at.segmented_control(key="way").set_value("Picture").run()
    at.main.file_uploader[0].upload("my mug.png", draw("mug", "red", "plain", size=(300, 300)))
    return at.run()


@pytest.mark.slow
def test_a_picture_brings_ten_captions_with_score_and_picture(visit: Visit) -> None:
    at = show_picture(visit())
    assert len(captions(at)) == 10
    assert captions(at)[0].label.replace("\\", "") == "Red mug, plain"
    row = at.get_by_key("caption-row-1")
    assert row.caption[0].value == "1.00"
    assert row.image


def test_a_caption_is_one_click_from_its_search(visit: Visit, collection: FakeApp) -> None:
    at = show_picture(visit())
    captions(at)[1].click().run()
    asked = collection.asked[-1]
    assert captions(at) == []
    assert at.query_params["q"] == asked
    assert at.session_state["way"] == "Words"
    assert f"for “{asked}”" in at.get_by_key("asked").text[0].value


def test_captions_of_something_similar_leave_out_its_own(visit: Visit) -> None:
    at = visit(like="1")
    assert len(captions(at)) == 10
    assert "Red mug, plain" not in [button.label.replace("\\", "") for button in captions(at)]


def test_words_alone_bring_no_captions(visit: Visit) -> None:
    assert captions(visit(q="red mug")) == []


def test_a_collection_without_words_has_no_captions(visit: Visit, collection: FakeApp) -> None:
    collection.remove_source("demo")
    collection.put(draw("hat", "blue", "plain"), "")
    at = show_picture(visit())
    assert captions(at) == []
    assert not [heading for heading in at.subheader if heading.value == "Captions that fit"]


def test_a_long_caption_is_cut_and_told_in_full_on_pointing(visit: Visit, collection: FakeApp) -> None:
    collection.put(draw("mug", "red", "plain", size=(301, 300)), "A mug " * 60)
    at = show_picture(visit())
    longest = max(captions(at), key=lambda button: len(button.label))
    assert longest.label.endswith(ELLIPSIS)
    assert len(longest.help) > len(longest.label)


def test_captions_that_cannot_be_read_are_one_sentence(visit: Visit, collection: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*asked: object, **named: object) -> None:
        raise StoreError("index_corrupt", "The collection cannot be read.", remedy="Restore a copy.")

    monkeypatch.setattr(collection, "captions_for_image", broken)
    at = show_picture(visit())
    assert "cannot be read" in at.error[0].value
    assert [block for block in at.container if str(block.key).startswith("face-found-")], "the pictures are shown all the same"


def tiles(at: AppTest) -> list[str]:
    return [block.text[0].value for block in at.container if str(block.key).startswith("face-found-")]


def header(at: AppTest) -> str:
    return at.get_by_key("asked").text[0].value


def keys(at: AppTest) -> set[str]:
    return {str(button.key) for button in at.button}


def test_all_results_can_be_reached_page_by_page(visit: Visit, collection: FakeApp) -> None:
    expected = [result.item.title for result in collection.search(Query("red mug", top_k=30)).results]
    at = visit(q="red mug")
    pages = [tiles(at)]
    assert at.button(key="results-back").disabled
    while not at.button(key="results-more").disabled:
        at.button(key="results-more").click().run()
        pages.append(tiles(at))
    assert [title for page in pages for title in page] == expected
    assert len(pages) == 3
    assert header(at).startswith("21 to 30 of 30 for “red mug”")
    assert at.query_params["skip"] == "20"

    at.button(key="results-back").click().run()

    assert tiles(at) == pages[1]


def test_a_page_asks_once(visit: Visit, collection: FakeApp) -> None:
    at = visit(q="red mug")
    before = len(collection.asked)

    at.button(key="results-more").click().run()

    assert collection.asked[before:] == ["red mug"]


def test_a_link_opens_its_page_and_another_question_begins_at_the_first(visit: Visit) -> None:
    at = visit(q="red mug", skip="10")
    assert header(at).startswith("11 to 20 of 30")

    at.text_input(key=key(at, "words")).set_value("blue hat").run()

    assert header(at).startswith("10 of 30 for “blue hat”")
    assert "skip" not in at.query_params


def test_a_page_after_the_last_leads_back(visit: Visit) -> None:
    at = visit(q="red mug", skip="500")
    assert any("no further results" in text.value for text in at.markdown)
    assert not at.button(key="results-back").disabled


def test_few_results_need_no_pages(visit: Visit) -> None:
    at = visit(**{"q": "red mug", "where.category": "mug"})
    assert len(tiles(at)) == 5
    assert not keys(at) & {"results-back", "results-more"}


@pytest.mark.parametrize("query", [{"q": "red mug"}, {}])
def test_an_attribute_that_no_item_has_is_named(visit: Visit, query: dict[str, str]) -> None:
    at = visit(**query, **{"where.shelf": "3"})
    [line] = [text.value for text in at.markdown if "Nothing is left" in text.value]
    assert line.replace("\\", "") == '**Nothing is left.** No item has an attribute "shelf".'
