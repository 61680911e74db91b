from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from tests.ui.fake_app import FakeApp, draw
from ui.startup import settings

Visit = Callable[..., AppTest]


def lines(at: AppTest) -> list[str]:
    return [element.value for element in at.sidebar.text]


def test_add_a_file_and_find_it(visit: Visit, collection: FakeApp) -> None:
    at = visit()
    at.sidebar.file_uploader[0].upload("umbrella.png", draw("lamp", "yellow", "dotted", size=(200, 120)))
    at.run()
    assert at.get_by_key("previews").image, "the picture is shown before it is added"
    assert collection.count() == 30
    next(box for box in at.sidebar.text_input if box.label.startswith("Title")).set_value("Yellow umbrella")
    at.button(key="add-files").click().run()
    assert collection.count() == 31
    assert "Added." in lines(at)
    assert at.get_by_key("added-31").image
    assert not at.sidebar.file_uploader[0].value, "the box is empty for the next one"
    at.button(key="find-31").click().run()
    assert "like “Yellow umbrella”" in at.get_by_key("asked").text[0].value
    assert at.button(key="have-it").label == "Yellow umbrella"


def test_add_by_address(visit: Visit, collection: FakeApp) -> None:
    at = visit()
    at.segmented_control(key="add_way").set_value("Address").run()
    at.sidebar.text_input[0].set_value("http://pictures.test/red-mug.png").run()
    assert at.get_by_key("previews").image
    at.button(key="add-address").click().run()
    assert collection.item(31).origin == "http://pictures.test/red-mug.png"
    at.button(key="find-31").click().run()
    assert "like “red-mug.png”" in at.get_by_key("asked").text[0].value


def test_a_wrong_address_is_said_and_nothing_is_added(visit: Visit, collection: FakeApp) -> None:
    at = visit()
    at.segmented_control(key="add_way").set_value("Address").run()
    at.sidebar.text_input[0].set_value("http://pictures.test/none.png").run()
    assert "404" in at.sidebar.error[0].value
    assert not [button for button in at.sidebar.button if button.key == "add-address"]
    assert collection.count() == 30
    collection.web["http://pictures.test/none.png"] = draw("hat", "red", "plain")
    at.button(key="add-look-again").click().run()
    assert at.get_by_key("previews").image


def test_many_files_some_of_them_no_pictures(visit: Visit, collection: FakeApp) -> None:
    at = visit()
    uploader = at.sidebar.file_uploader[0]
    for number in range(6):
        uploader.upload(f"p{number}.png", draw("hat", "blue", "plain", size=(100 + number, 100)))
    uploader.upload("notes.png", b"no picture")
    at.run()
    assert any("and 3 more" in caption.value for caption in at.sidebar.caption)
    at.button(key="add-files").click().run()
    assert collection.count() == 36
    assert any("6 pictures added" in caption.value for caption in at.sidebar.caption)
    assert len(at.sidebar.error) == 1
    assert "notes" in at.sidebar.error[0].value


def test_the_same_file_again_was_already_there(visit: Visit, collection: FakeApp) -> None:
    at = visit()
    same = draw("plate", "black", "checked", size=(90, 90))
    for _ in range(2):
        at.sidebar.file_uploader[0].upload("plate.png", same)
        at.run()
        at.button(key="add-files").click().run()
    assert collection.count() == 31
    assert "Already in the collection." in lines(at)


def test_one_file_that_is_no_picture_cannot_be_added(visit: Visit) -> None:
    at = visit()
    at.sidebar.file_uploader[0].upload("notes.png", b"no picture")
    at.run()
    assert "not a picture" in at.sidebar.error[0].value
    assert at.button(key="add-files").disabled


def test_too_many_files_are_refused_with_the_number(visit: Visit) -> None:
    at = visit()
    most = settings().max_upload_files
    for number in range(most + 1):
        at.sidebar.file_uploader[0].upload(f"{number}.png", b"x")
    at.run()
    assert f"{most + 1:,} files" in at.sidebar.error[0].value.replace("\\", "")
