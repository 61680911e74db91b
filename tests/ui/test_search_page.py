from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from crossmodal.errors import StoreError
from tests.ui.conftest import key
from tests.ui.fake_app import FakeApp, draw

Visit = Callable[..., AppTest]


def texts(at: AppTest) -> list[str]:
    return [element.value for element in at.main.text]


def header(at: AppTest) -> str:
    return at.get_by_key("asked").text[0].value


def found(at: AppTest) -> list[str]:
    return [tile.text[0].value for tile in tiles(at)]


def tiles(at: AppTest, where: str = "found") -> list:
    return [block for block in at.container if str(block.key).startswith(f"face-{where}-")]


def ask(at: AppTest, words: str) -> AppTest:
    at.text_input(key=key(at, "words")).set_value(words).run()
    return at


def test_fresh_page_says_how_many_and_offers_examples(visit: Visit, collection: FakeApp) -> None:
    at = visit()
    assert any("30 pictures" in caption.value for caption in at.main.caption)
    example = at.get_by_key("suggest-try").button[0]
    example.click().run()
    assert collection.asked[-1] == "red mug plain"
    assert at.query_params["q"] == "red mug plain"
    assert found(at)[0] == "Red mug, plain"


def test_words_show_results_with_question_count_and_time(visit: Visit) -> None:
    at = ask(visit(), "striped hat")
    assert header(at).startswith("10 of 30 for “striped hat” · ")
    assert header(at).endswith((" ms", " s"))
    assert found(at)[0] == "Yellow hat, striped"


def test_every_result_has_a_score_as_number_and_bar(visit: Visit) -> None:
    at = ask(visit(), "red mug")
    assert at.progress[0].text == "1.00 · by likeness"
    assert at.progress[0].value == 100 - 1  # the fake takes a ten-thousandth off, and the bar rounds down
    assert len([bar for bar in at.progress if bar.text.endswith(" · by likeness")]) == 10


def test_a_link_reopens_the_search(visit: Visit) -> None:
    at = visit(q="green bottle")
    assert header(at).startswith("10 of 30 for “green bottle”")
    assert at.text_input(key=key(at, "words")).value == "green bottle"


def test_a_link_to_a_picture_shows_what_is_like_it(visit: Visit) -> None:
    at = visit(like="3")
    assert "like “Green mug, dotted”" in header(at)
    assert "Green mug, dotted" not in found(at)


@pytest.mark.slow
@pytest.mark.parametrize("like", ["999", "-1", "x", "9" * 40, "٣"])
def test_a_link_to_nothing_is_no_accident(visit: Visit, like: str) -> None:
    at = visit(like=like)
    assert not at.exception
    assert not tiles(at)


def test_going_back_in_the_browser_brings_the_earlier_search(visit: Visit, go_back: Callable[..., None]) -> None:
    at = ask(ask(visit(), "red mug"), "blue hat")
    go_back(at, q="red mug")
    assert "“red mug”" in header(at)
    assert at.text_input(key=key(at, "words")).value == "red mug"
    go_back(at)
    assert tiles(at, "some")


def test_an_address_that_has_not_heard_of_the_search_yet_does_not_undo_it(visit: Visit) -> None:
    at = ask(ask(visit(), "red mug"), "blue hat")
    at.query_params["q"] = "red mug"
    at.run()
    assert "“blue hat”" in header(at)


def test_how_many_and_columns(visit: Visit) -> None:
    at = visit(q="mug")
    assert (at.slider(key="top_k").min, at.slider(key="top_k").max) == (1, 20)
    at.slider(key="top_k").set_value(3).run()
    assert len(found(at)) == 3
    at.slider(key="top_k").set_value(20).run()
    assert len(found(at)) == 20
    at.select_slider(key="columns").set_value(2).run()
    assert at.get_by_key("grid-found").proto.columns == 2


def test_similar_on_every_result(visit: Visit) -> None:
    at = visit(q="red mug")
    assert len([b for b in at.button if str(b.key).startswith("similar-found-")]) == 10
    at.button(key="similar-found-1").click().run()
    assert "like “Red mug, plain”" in header(at)
    assert at.query_params["like"] == "1"
    assert "q" not in at.query_params
    assert at.text_input(key=key(at, "words")).value == ""


def test_clear_goes_back_to_the_fresh_page(visit: Visit) -> None:
    at = visit(q="red mug")
    at.button(key="clear").click().run()
    assert not tiles(at)
    assert tiles(at, "some")
    assert "q" not in at.query_params
    assert at.text_input(key=key(at, "words")).value == ""


@pytest.mark.slow
@pytest.mark.parametrize("words", ["", "   "])
def test_an_empty_question_is_the_fresh_page(visit: Visit, words: str) -> None:
    at = ask(visit(q="red"), words)
    assert tiles(at, "some")
    assert not at.error


def test_a_question_too_long_is_one_sentence(visit: Visit) -> None:
    at = ask(visit(), "a" * 1_001)
    assert len(at.error) == 1
    assert "1,001 characters" in at.error[0].value.replace("\\", "")
    assert len(header(at)) < 200


def test_unknown_words_offer_near_ones(visit: Visit) -> None:
    at = ask(visit(), "strpied mug")
    near = at.get_by_key("suggest-some").button
    assert "striped" in [button.label for button in near]


def test_by_uploaded_picture(visit: Visit) -> None:
    at = visit(q="blue hat")
    at.segmented_control(key="way").set_value("Picture").run()
    assert "“blue hat”" in header(at), "the old results stay until the new ones are there"
    at.main.file_uploader[0].upload("my mug.png", draw("mug", "red", "plain", size=(300, 300)))
    at.run()
    assert "like “my mug.png”" in header(at)
    assert "q" not in at.query_params
    assert found(at)[0] == "Red mug, plain"
    assert at.get_by_key("asked").image, "the picture that was searched with is shown beside its results"
    at.button(key="similar-found-1").click().run()
    assert "like “Red mug, plain”" in header(at), "the uploaded file does not ask again by itself"


@pytest.mark.slow
def test_an_upload_that_is_no_picture(visit: Visit) -> None:
    at = visit()
    at.segmented_control(key="way").set_value("Picture").run()
    at.main.file_uploader[0].upload("notes.png", b"no picture")
    at.run()
    assert len(at.error) == 1
    assert "not a picture" in at.error[0].value
    assert not tiles(at)


def test_by_address(visit: Visit) -> None:
    at = visit()
    at.segmented_control(key="way").set_value("Address").run()
    at.text_input(key="address-0").set_value(" http://pictures.test/red-mug.png ").run()
    assert "like “http://pictures.test/red-mug.png”" in header(at)
    assert found(at)[0] == "Red mug, plain"
    at.segmented_control(key="way").set_value("Words").run()
    assert "http://pictures.test" in header(at)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "words"),
    [("http://pictures.test/none.png", "404"), ("ftp://pictures.test/a", "does not start with http")],
)
def test_a_failed_address_says_which_why_and_what_to_do(visit: Visit, address: str, words: str) -> None:
    at = visit()
    at.segmented_control(key="way").set_value("Address").run()
    at.text_input(key="address-0").set_value(address).run()
    message = at.error[0].value.replace("\\", "").replace("\u2060", "")
    assert address in message
    assert words in message
    assert not tiles(at)


def test_an_address_typed_as_words_is_offered_as_a_picture(visit: Visit, collection: FakeApp) -> None:
    at = ask(visit(), "http://pictures.test/red-mug.png")
    assert collection.asked == []
    next(button for button in at.main.button if button.label == "Search by this picture").click().run()
    assert "like “http://pictures.test/red-mug.png”" in header(at)
    assert at.session_state["way"] == "Address"


def test_remove_with_undo(visit: Visit, collection: FakeApp) -> None:
    at = visit(q="red mug")
    at.menu_button(key="menu-found-1").click("Remove").run()
    assert collection.count() == 29
    assert "Red mug, plain" not in found(at)
    at.button(key="undo-remove").click().run()
    assert collection.count() == 30
    assert found(at)[0] == "Red mug, plain"


def test_a_removal_that_fails_says_so(visit: Visit, collection: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(item_id: int) -> None:
        raise StoreError("disk_full", "The disk is full.", remedy="Make room.")

    monkeypatch.setattr(collection, "remove_item", refuse)
    at = visit(q="red mug")
    at.menu_button(key="menu-found-1").click("Remove").run()
    assert "The disk is full" in at.error[0].value
    assert found(at)[0] == "Red mug, plain"
    at.run()
    assert not at.error, "said once"


def test_details_show_everything_and_neighbours(visit: Visit) -> None:
    at = visit(q="red mug")
    at.button(key="open-found-1").click().run()
    assert at.get_by_key("details-title").text[0].value == "Red mug, plain"
    facts = at.table[0].value
    assert {"category", "price", "Size"} <= {str(name) for name in facts.index} | {str(name) for name in facts.columns}
    assert at.code[-1].value == "images/0001.png"
    assert len(tiles(at, "near")) == 5
    at.button(key="details-similar").click().run()
    assert "like “Red mug, plain”" in header(at)


def test_details_can_remove(visit: Visit, collection: FakeApp) -> None:
    at = visit(q="red mug")
    at.menu_button(key="menu-found-1").click("Details").run()
    at.button(key="details-remove").click().run()
    assert collection.count() == 29
    assert at.session_state["details"] is None


def test_share_shows_a_link_with_the_words(visit: Visit) -> None:
    at = visit(q="red & blue?")
    link = at.get_by_key("share").code[0].value
    assert parse_qs(link.split("?", 1)[1]) == {"q": ["red & blue?"]}


def test_empty_collection_says_how_to_begin(monkeypatch: pytest.MonkeyPatch, visit: Visit, collection: FakeApp) -> None:
    collection.remove_source("demo")
    at = visit(q="red")
    assert at.get_by_key("empty").subheader[0].value == "The collection is empty"
    assert not at.error


def test_an_item_that_vanishes_while_the_page_is_drawn(visit: Visit, collection: FakeApp) -> None:
    at = visit(q="red mug")
    collection.remove_item(1)
    at.button(key="open-found-1").click().run()
    assert "not in the collection" in at.error[0].value
