"""The page Model: models kept here, changing to one, one trained elsewhere, deleting; figures on the own collection; presets."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from crossmodal.errors import QueryError, StoreError
from tests.ui.fake_app import FakeApp
from tests.ui.test_other_pages import listen_on, words
from ui.components import dialogs, sources

pytestmark = pytest.mark.slow

Visit = Callable[..., AppTest]
KEPT = Path("/data/models/77aa12c0ffee4b15.pth")


def question(**known: object) -> AppTest:
    """One question asked at every run: a run of the whole page would close it, which no browser does."""

    def script(ask, known):  # its source is run by itself: no name of this file is known there
        ask(**known)

    at = AppTest.from_function(script, default_timeout=30, kwargs={"ask": known.pop("ask"), "known": known}).run()
    assert not at.exception
    return at


def keys(at: AppTest) -> set[str]:
    return {str(button.key) for button in at.button}


def done(collection: FakeApp) -> str:
    status = collection.jobs.wait(10)
    assert status is not None
    return status.message


def test_models_are_listed_with_what_they_have_looked_at(visit: Visit) -> None:
    at = visit("model")
    assert at.get_by_key("model-0").text[0].value == "ResNet18 + GRU"
    assert "Every picture encoded" in at.get_by_key("model-0").caption[0].value
    assert "12 of 30 pictures encoded" in at.get_by_key("model-1").caption[0].value
    assert "use-0" not in keys(at), "it is in use"


def test_a_model_whose_file_is_gone_is_not_offered(visit: Visit, collection: FakeApp) -> None:
    collection.generations[1] = replace(collection.generations[1], path=None)
    at = visit("model")
    assert "its file is missing" in at.get_by_key("model-1").caption[0].value
    assert "use-1" not in keys(at)


def test_changing_asks_first_then_runs_in_the_background(visit: Visit, collection: FakeApp) -> None:
    at = visit("model")
    at.button(key="use-1").click().run()
    assert collection.jobs.current() is None
    assert "30 pictures" in words(at)
    assert {"switch-yes", "switch-no"} <= keys(at)
    question(ask=dialogs.switch, app=collection, path=KEPT, name="mobilenet-minilm").button(key="switch-yes").click().run()
    assert collection.switched_to == [KEPT]
    assert "mobilenet-minilm is in use now" in done(collection)
    at.run()
    assert at.get_by_key("model-0").text[0].value == "mobilenet-minilm"
    assert at.get_by_key("model-1").text[0].value == "ResNet18 + GRU"


def test_a_run_folder_is_meant_as_the_model_in_it(visit: Visit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(dialogs, "switch", lambda app, path, name: asked.append(path))
    listen_on(monkeypatch, "127.0.0.1")
    assert sources.listens_on_loopback()
    at = visit("model")
    (tmp_path / "model.pth").write_bytes(b"a model")
    for typed in (f" {tmp_path} ", str(tmp_path / "model.pth")):
        at.text_input(key="model-location").set_value(typed)
        at.form_submit_button[0].click().run()
    assert asked == [tmp_path / "model.pth"] * 2


def test_a_wrong_file_is_said(visit: Visit, collection: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    listen_on(monkeypatch, "127.0.0.1")
    at = visit("model")
    at.form_submit_button[0].click().run()
    assert "No model was given" in words(at)
    at.text_input(key="model-location").set_value("/nowhere/model\u202e.pth")
    at.form_submit_button[0].click().run()
    assert "There is no model at /nowhere/model.pth." in words(at)
    at = question(ask=dialogs.switch, app=collection, path=Path("/nowhere/model.zip"), name="model.zip")
    at.button(key="switch-yes").click().run()
    assert "There is no model at /nowhere/model.zip. Check the spelling." in words(at)


@pytest.mark.parametrize("address", ["0.0.0.0", None])
def test_files_of_this_computer_are_offered_on_loopback_only(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    listen_on(monkeypatch, address)
    at = visit("model")
    assert not [box for box in at.text_input if box.key == "model-location"]
    assert "only" in words(at)
    assert "use-1" in keys(at), "what is kept here already may be chosen from anywhere"


def test_deleting_the_others_asks_first(visit: Visit, collection: FakeApp) -> None:
    at = visit("model")
    at.button(key="drop").click().run()
    assert len(collection.generations) == 2
    assert {"drop-models-yes", "drop-models-no"} <= keys(at)
    question(ask=dialogs.drop_models, app=collection, number=1).button(key="drop-models-yes").click().run()
    assert [one.active for one in collection.generations] == [True]
    assert "drop" not in keys(visit("model"))


def test_models_that_cannot_be_read_are_one_sentence(visit: Visit, collection: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise StoreError("index_corrupt", "The collection cannot be read.", remedy="Restore a copy.")

    monkeypatch.setattr(collection, "models", broken)
    assert "The collection cannot be read." in words(visit("model"))


def test_measuring_runs_in_the_background_and_is_shown(visit: Visit, collection: FakeApp) -> None:
    at = visit("model")
    assert "Not measured yet." in words(at)
    at.button(key="measure").click().run()
    assert "30 pictures" in done(collection)
    at.run()
    told = words(at)
    assert "30 pictures with titles" in told
    assert "may have been trained on these titles" in told
    assert "the more pictures there are to choose from" in told
    to_picture = at.table[0].value
    assert to_picture.columns.tolist() == ["Right one found", "This model", "95 % interval", "Guessing"]
    assert to_picture.iloc[0].tolist() == ["First, of 100", "60.1", "40.0 – 80.0", "3.3"]
    assert to_picture.iloc[2].tolist() == ["In the first 10, of 100", "100.0", "– – –", "0.02"]
    assert to_picture.iloc[3].tolist() == ["Median rank", "2", "1 – 3.5", "15.5"]
    assert "29 pictures as queries, 30 titles searched" in told
    assert not at.warning


def test_warnings_come_before_the_figures(visit: Visit, collection: FakeApp) -> None:
    collapsed = "The text embeddings have collapsed: effective rank 1.2 of 256, mean cosine 0.999."
    collection.own = replace(
        collection.figures, items=20, picture_only=True, result=replace(collection.figures.result, warnings=(collapsed,))
    )
    at = visit("model")
    assert at.warning[0].value.replace("\\", "").replace("\u2060", "") == collapsed
    assert "20 pictures with titles, of 30 in all" in words(at)
    assert "without their titles" in words(at)
    assert next(button for button in at.button if button.key == "measure").label == "Measure again"


def test_what_cannot_be_measured_is_said(visit: Visit, collection: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(note: object, stop: object) -> str:
        raise QueryError("bad_request", "The collection has 1 pictures with a title; an evaluation needs 10.", remedy="Add titles.")

    collection._work = refuse
    collection.start_measuring()
    done(collection)
    assert "an evaluation needs 10. Add titles." in words(visit("model"))


def test_presets_are_read_only_when_they_are_opened(visit: Visit) -> None:
    at = visit("model")
    assert not [code for code in at.code if "cli.py train" in code.value]
    at.session_state["presets"] = True
    at.run()
    lines = [code.value for code in at.code]
    assert "python cli.py train --preset mobilenet-minilm --data YOUR.csv" in lines
    assert len(lines) >= 6
    assert "training.presets" in sys.modules
