from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from crossmodal.errors import StoreError
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
