"""Words and a picture in one question."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.conftest import key
from tests.ui.fake_app import draw

Visit = Callable[..., AppTest]


def header(at: AppTest) -> str:
    return at.get_by_key("asked").text[0].value


def found(at: AppTest) -> list[str]:
    return [block.text[0].value for block in at.container if str(block.key).startswith("face-found-")]


def with_picture(at: AppTest, words: str) -> AppTest:
    at.segmented_control(key="way").set_value("Picture").run()
    at.main.file_uploader[0].upload("mug.png", draw("mug", "red", "plain", size=(300, 300)))
    at.run()
    at.text_input(key=key(at, "with_words")).set_value(words).run()
    return at


def balances(at: AppTest) -> list:
    return [slider for slider in at.select_slider if slider.key == key(at, "balance")]


def test_words_alone_offer_no_second_box(visit: Visit) -> None:
    at = visit(q="red mug")
    assert not [box for box in at.text_input if box.key == key(at, "with_words")]


def test_a_picture_and_words_are_one_question(visit: Visit) -> None:
    at = with_picture(visit(), "blue hat")
    assert header(at).startswith("10 of 30 like “mug.png” and “blue hat”")
    balances(at)[0].set_value(0.0).run()
    assert found(at)[0] == "Blue hat, checked"
    balances(at)[0].set_value(1.0).run()
    assert found(at)[0] == "Red mug, plain"
    assert dict(at.query_params) == {}, "a picture from elsewhere has no address"
    assert at.text_input(key=key(at, "with_words")).value == "blue hat"


def test_the_balance_is_offered_only_beside_words(visit: Visit) -> None:
    at = with_picture(visit(), "")
    assert balances(at) == []
    at.text_input(key=key(at, "with_words")).set_value("blue").run()
    assert balances(at)[0].value == 0.5
    at.text_input(key=key(at, "with_words")).set_value("  ").run()
    assert balances(at) == []
    assert "and “" not in header(at)


@pytest.mark.slow
def test_words_with_something_similar_are_kept_in_the_address(visit: Visit) -> None:
    at = visit(like="1")
    at.text_input(key=key(at, "with_words")).set_value("blue hat").run()
    balances(at)[0].set_value(0.2).run()
    assert dict(at.query_params) == {"q": "blue hat", "like": "1", "mix": "0.2"}
    assert at.text_input(key=key(at, "words")).value == "", "the box above asks a question of its own"
    link = at.get_by_key("share").code[0].value
    assert "like=1" in link
    assert "mix=0.2" in link
    again = visit(q="blue hat", like="1", mix="0.2")
    assert header(again).split(" · ")[0] == header(at).split(" · ")[0] == "10 of 30 like “Red mug, plain” and “blue hat”"
    assert found(again) == found(at)
    assert "Red mug, plain" not in found(again)


def test_a_new_question_forgets_the_words(visit: Visit) -> None:
    at = visit(q="blue hat", like="1")
    at.text_input(key=key(at, "words")).set_value("green box").run()
    assert dict(at.query_params) == {"q": "green box"}
    assert not at.exception


def test_words_that_look_like_an_address_stay_words_beside_a_picture(visit: Visit) -> None:
    at = with_picture(visit(), "http://pictures.test/red-mug.png")
    assert found(at)
    assert not [block for block in at.container if block.key == "offer-address"]
