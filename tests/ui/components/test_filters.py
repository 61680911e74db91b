"""Filtering results by attributes and score."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from crossmodal.errors import QueryError
from tests.ui.conftest import key
from tests.ui.fake_app import FakeApp, draw

Visit = Callable[..., AppTest]


def header(at: AppTest) -> str:
    return at.get_by_key("asked").text[0].value


def found(at: AppTest, where: str = "found") -> list[str]:
    return [block.text[0].value for block in at.container if str(block.key).startswith(f"face-{where}-")]


def opened(at: AppTest) -> AppTest:
    at.session_state["narrow"] = True
    return at.run()


def offered(at: AppTest) -> dict[str, list[str]]:
    return {pills.label: [option.replace("\\", "") for option in pills.options] for pills in at.pills}


def test_closed_it_counts_nothing(visit: Visit, collection: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "attribute_values", lambda limit: pytest.fail("read for nothing"))
    at = visit(q="mug")
    assert not at.pills


@pytest.mark.slow
def test_attributes_of_few_values_are_offered(visit: Visit, collection: FakeApp) -> None:
    for number in range(41):
        collection.put(
            draw("box", "red", "dotted", size=(50 + number, 60)),
            "Box",
            attributes={"code": str(number), "shelf": str(number % 13), "colour": "red"},
        )
    at = opened(visit())
    assert list(offered(at)) == ["category", "colour"], "the price is one for all, the code is another for each"
    assert offered(at)["colour"][0] == "red · 47"
    assert [(box.label, box.options[0]) for box in at.multiselect] == [("shelf", "0 · 4")], "more than a row takes are in a list"
    at.multiselect(key=key(at, "narrow-shelf")).set_value(["3"]).run()
    assert found(at, "some") == ["Box"] * 3
    assert at.query_params["where.shelf"] == "3"


def test_values_of_one_attribute_add_up_and_attributes_cut(visit: Visit) -> None:
    at = opened(visit(q="striped"))
    at.pills(key=key(at, "narrow-category")).set_value(["mug", "hat"]).run()
    assert header(at).startswith("10 of 10 for “striped”, category mug or hat · ")
    at.pills(key=key(at, "narrow-colour")).set_value(["blue"]).run()
    assert sorted(found(at)) == ["Blue hat, checked", "Blue mug, striped"]
    assert dict(at.query_params) == {"q": "striped", "where.category": ["mug", "hat"], "where.colour": "blue"}
    at.button(key="narrow-reset").click().run()
    assert dict(at.query_params) == {"q": "striped"}
    assert at.pills(key=key(at, "narrow-category")).value == []
    assert len(found(at)) == 10


def test_what_words_find_pictures_by(visit: Visit) -> None:
    at = opened(visit(q="striped hat"))
    at.segmented_control(key=key(at, "signal")).set_value("words").run()
    assert ", by words alone · " in header(at)
    assert at.query_params["by"] == "words"
    again = opened(visit(q="striped hat", by="likeness"))
    assert again.segmented_control(key=key(again, "signal")).value == "likeness"
    again.button(key="narrow-reset").click().run()
    assert "by" not in again.query_params


def test_a_least_score(visit: Visit) -> None:
    at = opened(visit(q="striped hat"))
    at.slider(key=key(at, "min_score")).set_value(0.9).run()
    assert header(at).startswith("1 of 30 for “striped hat”, score 0.90 or more · ")
    assert at.query_params["min"] == "0.9"
    at.slider(key=key(at, "min_score")).set_value(0.0).run()
    assert "min" not in at.query_params


@pytest.mark.slow
@pytest.mark.parametrize("asked", [{"q": "mug"}, {"like": "2"}, {"like": "2", "q": "mug"}])
def test_every_kind_of_question_is_narrowed_by_a_link(visit: Visit, asked: dict[str, str]) -> None:
    at = visit(**asked, **{"where.colour": "green"})
    assert found(at)
    assert all(title.startswith("Green") for title in found(at))
    assert opened(at).pills(key=key(at, "narrow-colour")).value == ["green"]


def test_a_picture_is_narrowed_and_stays_when_the_browser_goes_back(visit: Visit, go_back: Callable[..., None]) -> None:
    at = opened(visit())
    at.segmented_control(key="way").set_value("Picture").run()
    at.main.file_uploader[0].upload("mug.png", draw("mug", "red", "plain", size=(300, 300)))
    at.run()
    at.pills(key=key(at, "narrow-colour")).set_value(["blue"]).run()
    assert len(found(at)) == 6
    go_back(at)
    assert header(at).startswith("10 of 30 like “mug.png”")


def test_the_fresh_page_shows_those_chosen(visit: Visit) -> None:
    at = opened(visit())
    at.pills(key=key(at, "narrow-category")).set_value(["lamp"]).run()
    assert len(found(at, "some")) == 5
    assert any("Some of those with category lamp:" in caption.value.replace("\\", "") for caption in at.main.caption)


@pytest.mark.slow
@pytest.mark.parametrize("asked", [{"q": "mug"}, {}])
def test_nothing_left_says_so_with_the_way_back(visit: Visit, asked: dict[str, str]) -> None:
    at = visit(**asked, **{"where.colour": "mauve"})
    assert any("Nothing is left." in text.value for text in at.markdown)
    at.button(key="widen").click().run()
    assert found(at, "found" if asked else "some")
    assert "where.colour" not in at.query_params


def test_clear_takes_the_narrowing_along(visit: Visit) -> None:
    at = visit(q="mug", **{"where.colour": "green", "min": "0.1"})
    at.button(key="clear").click().run()
    assert dict(at.query_params) == {}
    assert len(found(at, "some")) == 10


def test_what_a_link_cannot_mean_is_passed_over(visit: Visit) -> None:
    at = visit(q="mug", **{"min": "lots", "where.": "x", "mix": "7", "other": "1"})
    assert header(at).startswith("10 of 30 for “mug” · ")


def test_a_filter_that_is_refused_is_one_sentence(visit: Visit, collection: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*asked: object, **named: object) -> None:
        raise QueryError("bad_request", "The filter 'colour' takes a text.", remedy="Give one.")

    monkeypatch.setattr(collection, "items_page", refuse)
    at = visit(**{"where.colour": "green"})
    assert "takes a text" in at.error[0].value.replace("\\", "")
