"""People who click twice, and who go on to something else before the page has answered."""

from collections.abc import Callable
from typing import Any

import pytest
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import RerunData, RerunException
from streamlit.testing.v1 import AppTest

from tests.ui.fake_app import FakeApp, draw
from tests.ui.test_other_pages import words
from tests.ui.test_search_page import header

Visit = Callable[..., AppTest]


@pytest.fixture
def twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every click comes twice: the second is on its way before the first has been answered, and means the button as it was."""

    def doubling(draw_widget: Callable[..., Any]) -> Callable[..., Any]:
        def widget(*values: Any, on_click: Callable[..., Any] | None = None, args: tuple = (), **named: Any) -> Any:
            def clicked() -> None:
                for _ in range(2 if on_click else 0):
                    on_click(*args)

            return draw_widget(*values, on_click=clicked, **named)

        return widget

    monkeypatch.setattr(st, "button", doubling(st.button))


@pytest.fixture
def break_off(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], None]:
    """`break_off(st, "spinner")`: the next time this is drawn, the person has just asked for something else."""

    def once(of: Any, name: str) -> None:
        with_it = getattr(of, name)

        def drawn(*values: Any, **named: Any) -> Any:
            monkeypatch.setattr(of, name, with_it)
            with_it(*values, **named)
            raise RerunException(RerunData())

        monkeypatch.setattr(of, name, drawn)

    return once


@pytest.mark.usefixtures("twice")
def test_next_and_back_clicked_twice_turn_one_page(visit: Visit, collection: FakeApp) -> None:
    for number in range(40):
        collection.put(draw("mug", "red", "plain", size=(50 + number, 50)), f"Extra {number}")
    at = visit("collection")
    at.button(key="browse-next").click().run()
    assert "31 to 60 of 70 pictures" in words(at)
    assert at.get_by_key("face-all-31")
    at.button(key="browse-back").click().run()
    assert not at.exception
    assert "1 to 30 of 70 pictures" in words(at)


@pytest.mark.usefixtures("twice")
def test_remove_and_undo_clicked_twice(visit: Visit, collection: FakeApp) -> None:
    at = visit(q="red mug")
    at.session_state["details"] = 1
    at.run()
    at.button(key="details-remove").click().run()
    assert collection.count() == 29
    assert not at.error
    at.button(key="undo-remove").click().run()
    assert not at.exception
    assert not at.error
    assert collection.count() == 30


def test_files_are_all_added_when_somebody_goes_on_meanwhile(visit: Visit, collection: FakeApp, break_off) -> None:
    at = visit()
    for number in range(6):
        at.sidebar.file_uploader[0].upload(f"p{number}.png", draw("hat", "blue", "plain", size=(100 + number, 100)))
    at.run()
    break_off(DeltaGenerator, "progress")
    at.button(key="add-files").click().run()
    assert collection.count() == 36
    assert any("6 pictures added" in caption.value for caption in at.sidebar.caption)
    assert not at.sidebar.file_uploader[0].value


def test_an_address_is_fetched_when_its_run_was_broken_off(visit: Visit, break_off) -> None:
    at = visit()
    at.segmented_control(key="way").set_value("Address").run()
    break_off(st, "spinner")
    at.text_input(key=f"address-{at.session_state['uploads']}").set_value("http://pictures.test/red-mug.png").run()
    at.run()
    assert header(at).startswith("10 of 30 like “")


def test_the_box_for_a_picture_is_empty_once_something_else_is_asked(visit: Visit) -> None:
    at = visit()
    at.segmented_control(key="way").set_value("Picture").run()
    box = f"upload-{at.session_state['uploads']}"
    at.file_uploader(key=box).upload("own.png", draw("lamp", "red", "plain")).run()
    assert "like “own.png”" in header(at)
    assert at.file_uploader(key=box).value, "it shows what was asked with"
    at.button(key=f"similar-found-{found_ids(at)[0]}").click().run()
    assert "own.png" not in header(at)
    box = f"upload-{at.session_state['uploads']}"
    assert not at.file_uploader(key=box).value
    at.file_uploader(key=box).upload("own.png", draw("lamp", "red", "plain")).run()
    assert "like “own.png”" in header(at)


def test_a_large_view_stays_on_the_page_where_it_was_opened(visit: Visit) -> None:
    at = visit("collection")
    at.button(key="open-all-3").click().run()
    assert at.get_by_key("details-title")
    at.switch_page("ui/pages/search.py").run()
    with pytest.raises(KeyError):
        at.get_by_key("details-title")


def test_pages_that_emptied_meanwhile_are_left(visit: Visit, collection: FakeApp) -> None:
    for number in range(50):
        collection.put(draw("mug", "red", "plain", size=(50 + number, 50)), f"Extra {number}")
    at = visit("collection")
    at.button(key="browse-next").click().run()
    at.button(key="browse-next").click().run()
    assert "61 to 80 of 80 pictures" in words(at)
    for item_id in range(31, 81):
        collection.remove_item(item_id)
    at.run()
    assert at.get_by_key("browse-bar").caption[0].value == "1 to 30 of 30 pictures"


def found_ids(at: AppTest) -> list[str]:
    return [str(block.key).rsplit("-", 1)[1] for block in at.container if str(block.key).startswith("face-found-")]
