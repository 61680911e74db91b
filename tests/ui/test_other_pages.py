import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from crossmodal.errors import PictureError, SourceError, StoreError
from crossmodal.installation import VERSION
from crossmodal.items import Failure
from crossmodal.progress import Progress
from tests.ui.conftest import key
from tests.ui.fake_app import FakeApp, FakeEstimate, build_fake
from ui import startup
from ui.components import sources

pytestmark = pytest.mark.slow

Visit = Callable[..., AppTest]


def words(at: AppTest) -> str:
    parts = [*at.markdown, *at.caption, *at.text, *at.title, *at.subheader, *at.error]
    return " ".join(str(part.value) for part in parts).replace("\\", "")


def open_tab(at: AppTest, name: str) -> AppTest:
    at.session_state["part"] = name
    return at.run()


def listen_on(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    real = st.get_option
    monkeypatch.setattr(st, "get_option", lambda name: address if name == "server.address" else real(name))


def test_the_collection_can_be_looked_through(visit: Visit, collection: FakeApp) -> None:
    for number in range(8):
        collection.put(collection.web["http://pictures.test/red-mug.png"], f"Extra {number}")
    at = visit("collection")
    assert "1 to 30 of 38 pictures" in words(at)
    assert at.button(key="browse-back").disabled
    at.button(key="browse-next").click().run()
    assert "31 to 38 of 38 pictures" in words(at)
    assert at.button(key="browse-next").disabled
    at.button(key="browse-back").click().run()
    assert "1 to 30 of 38 pictures" in words(at)


def test_similar_in_the_collection_leads_to_the_search(visit: Visit) -> None:
    at = visit("collection")
    at.button(key="similar-all-3").click().run()
    assert "like “Green mug, dotted”" in at.get_by_key("asked").text[0].value


def test_removing_the_last_page_steps_back(visit: Visit, collection: FakeApp) -> None:
    collection.put(collection.web["http://pictures.test/red-mug.png"], "Last")
    at = visit("collection")
    at.button(key="browse-next").click().run()
    at.menu_button(key="menu-all-31").click("Remove").run()
    assert "1 to 30 of 30 pictures" in words(at)
    assert at.get_by_key("undo")


def test_an_empty_collection_says_how_to_begin(visit: Visit, collection: FakeApp) -> None:
    collection.remove_source("demo")
    assert "The collection is empty" in words(visit("collection"))


@pytest.mark.parametrize(
    ("address", "offered"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), (None, False)]
)
def test_folders_are_offered_on_loopback_only(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, address: str | None, offered: bool
) -> None:
    listen_on(monkeypatch, address)
    assert sources.listens_on_loopback() is offered
    at = open_tab(visit("collection"), "Catalogues")
    assert bool([box for box in at.text_input if box.key == "catalogue-location"]) is offered


def test_indexing_a_folder_runs_in_the_background(visit: Visit, collection: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    listen_on(monkeypatch, "127.0.0.1")
    at = open_tab(visit("collection"), "Catalogues")
    at.text_input(key="catalogue-location").set_value(" /pictures ")
    at.form_submit_button[0].click().run()
    assert collection.asked == ["/pictures"]
    collection.jobs.wait(10)
    at.run()
    assert "Indexed 10 of 10." in words(at)
    at.button(key="close-job").click().run()
    assert "Indexed 10 of 10." not in words(at)


def test_a_wrong_folder_is_said(visit: Visit, collection: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(location: str) -> None:
        raise SourceError("file_missing", f"There is nothing at {location}.", remedy="Check the spelling.")

    listen_on(monkeypatch, "127.0.0.1")
    monkeypatch.setattr(collection, "start_indexing", refuse)
    at = open_tab(visit("collection"), "Catalogues")
    at.form_submit_button[0].click().run()
    assert "No folder or CSV was given" in words(at)
    at.text_input(key="catalogue-location").set_value("/nowhere")
    at.form_submit_button[0].click().run()
    assert "There is nothing at /nowhere." in words(at)


def test_failed_rows_are_listed_with_reason_and_retry(visit: Visit, collection: FakeApp) -> None:
    collection.failed = [Failure("1", "shop", "https://x.test/a.jpg", "Red mug", "http_status", "It answered 404.", "Check it.")]
    at = open_tab(visit("collection"), "Failed rows")
    row = at.dataframe[0].value.iloc[0].to_dict()
    assert (row["Title"], row["Why"], row["What helps"]) == ("Red mug", "It answered 404.", "Check it.")
    at.button(key="retry").click().run()
    status = collection.jobs.wait(10)
    assert status is not None
    assert status.name == "retry"


def test_no_failed_rows(visit: Visit) -> None:
    assert "Every row of every catalogue is in the collection." in words(open_tab(visit("collection"), "Failed rows"))


def test_a_catalogue_is_removed_only_after_a_question(visit: Visit, collection: FakeApp) -> None:
    at = open_tab(visit("collection"), "Catalogues")
    at.button(key="remove-0").click().run()
    assert collection.count() == 30
    assert "30 pictures of “Demo pictures, drawn by this program” will no longer be found" in words(at)


def test_rebuild_asks_first(visit: Visit, collection: FakeApp) -> None:
    at = visit()
    at.button(key="rebuild").click().run()
    assert collection.jobs.current() is None
    assert "about 4 min" in words(at)
    assert {"rebuild-yes", "rebuild-no"} <= {button.key for button in at.button}


def test_a_running_job_can_be_stopped_and_blocks_a_second(visit: Visit, collection: FakeApp) -> None:
    collection._work = lambda note, stop: "never" if stop.wait(20) else "late"
    collection.start_rebuild()
    at = visit()
    assert "search keeps working meanwhile" in words(at)
    assert at.button(key="rebuild").disabled
    at.button(key="stop-job").click().run()
    status = collection.jobs.wait(10)
    assert status is not None
    assert status.state == "done"


def test_a_failed_job_says_why(visit: Visit, collection: FakeApp) -> None:
    def fail(note: object, stop: object) -> str:
        raise StoreError("disk_full", "The disk is full.", remedy="Make room.")

    collection._work = fail
    collection.start_training()
    collection.jobs.wait(10)
    assert "The disk is full. Make room." in words(visit())


def test_training_is_offered_with_its_time_only_when_worth_it(visit: Visit, collection: FakeApp) -> None:
    at = visit("model")
    assert "about 4 min" in words(at)
    at.button(key="train").click().run()
    status = collection.jobs.wait(10)
    assert status is not None
    assert status.name == "train"
    collection.estimate = FakeEstimate(0, 0.0, False, "nothing to learn from")
    assert not [button for button in visit("model").button if button.key == "train"]


def test_a_training_under_way_draws_its_curve(visit: Visit, collection: FakeApp) -> None:
    told = threading.Event()

    def train(note: Callable, stop: threading.Event) -> str:
        for epoch in (1, 2):
            note(Progress("model", f"Epoch {epoch} of 2 is done", figures={"epoch": epoch, "validation_recall_at_1": epoch / 2}))
        told.set()
        stop.wait(20)
        return "Stopped early."

    collection._work = train
    collection.start_training()
    assert told.wait(10)
    at = visit("model")
    assert len(at.get("vega_lite_chart")) == 3
    collection.stop_job()
    collection.jobs.wait(10)


def test_the_model_page_shows_recall_beside_chance(visit: Visit) -> None:
    at = visit("model")
    assert [metric.value for metric in at.metric] == ["97 of 100", "100 of 100", "100 of 100"]
    assert [bar.text for bar in at.progress if bar.text.startswith("Guessing")] == [
        "Guessing: 1 of 100",
        "Guessing: 5 of 100",
        "Guessing: 10 of 100",
    ]
    assert len(at.get("vega_lite_chart")) == 2
    assert "/home/ada/visual-search/data" in str(at.table[0].value).replace("\\", "")


def test_an_unmeasured_model_says_so(visit: Visit, collection: FakeApp) -> None:
    collection.model = replace(collection.model, held_out=None, history=())
    at = visit("model")
    assert "has not been measured" in words(at)
    assert not at.metric


def test_about_explains_without_a_word_of_data(visit: Visit) -> None:
    shown = words(visit("about"))
    assert "not a probability" in shown
    assert f"Version {VERSION}" in shown


def test_the_sidebar_tells_what_runs(visit: Visit, collection: FakeApp) -> None:
    told = " ".join(caption.value for caption in visit().sidebar.caption).replace("\\", "")
    assert "30 pictures, ready to search" in told
    assert "Finds 97 of 100 unseen pictures at the first try; guessing finds 1" in told
    assert "CPU, 2 threads" in told


def test_a_store_that_cannot_be_read_is_one_sentence(visit: Visit, collection: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise StoreError("index_corrupt", "The collection cannot be read.", remedy="Restore a copy.")

    monkeypatch.setattr(collection, "info", broken)
    at = visit()
    assert "The collection cannot be read. Restore a copy." in words(at)


def test_a_start_that_fails_says_why_and_can_be_tried_again(monkeypatch: pytest.MonkeyPatch, visit: Visit) -> None:
    wrong = SourceError("csv_empty", "shop.csv is empty.", remedy="Fill it.")
    monkeypatch.setattr(startup, "build", lambda note: build_fake(note, error=wrong))
    at = visit()
    assert "shop.csv is empty. Fill it." in words(at)
    monkeypatch.setattr(startup, "build", build_fake)
    at.button[0].click().run()
    at.run()
    assert at.text_input(key=key(at, "words"))


def test_a_start_that_breaks_tells_no_secret(monkeypatch: pytest.MonkeyPatch, visit: Visit) -> None:
    def breaks(note: object) -> FakeApp:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(startup, "build", breaks)
    at = visit()
    assert "RuntimeError" in words(at)
    assert "hunter2" not in words(at)


def test_the_first_start_ticks_off_steps_with_a_curve(monkeypatch: pytest.MonkeyPatch, visit: Visit) -> None:
    go_on: list[bool] = []

    def slow(note: Callable) -> FakeApp:
        note(Progress("catalogue", "Catalogue: 720 demo pictures drawn", finished=True))
        for epoch in (1, 2, 3):
            found = {"validation_recall_at_1": epoch / 4}
            note(
                Progress(
                    "model",
                    f"Epoch {epoch} of 12 is done",
                    done=epoch,
                    total=12,
                    seconds_left=20.0,
                    figures=found,
                )
            )
        deadline = time.monotonic() + 20
        while not go_on and time.monotonic() < deadline:
            time.sleep(0.01)
        return FakeApp()

    monkeypatch.setattr(startup, "build", slow)
    at = visit()
    told = words(at)
    assert "Catalogue: 720 demo pictures drawn" in told
    assert "it now finds 75 at the first try" in told
    assert at.progress[0].text == "about 20 s left"
    assert len(at.get("vega_lite_chart")) == 1
    go_on.append(True)
    assert startup.starter().wait(20) is not None
    at.run()
    assert at.text_input(key=key(at, "words"))


def test_the_large_view_says_what_was_added_by_hand(visit: Visit, collection: FakeApp) -> None:
    collection.add_picture(collection.look_at("http://pictures.test/red-mug.png"))
    at = visit("collection")
    at.session_state["details"] = 31
    at.run()
    assert "Added by hand" in str(at.table[0].value)


def test_a_large_view_whose_picture_cannot_be_read_says_so(
    visit: Visit, collection: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(item_id: int) -> bytes:
        raise PictureError("not_an_image", "Its picture cannot be read.", remedy="Add its file again.")

    monkeypatch.setattr(collection, "rendition", unreadable)
    at = visit("collection")
    at.session_state["details"] = 3
    at.run()
    assert "Its picture cannot be read. Add its file again." in words(at)
    assert at.button(key="details-remove"), "what else can be done with it is still there"
