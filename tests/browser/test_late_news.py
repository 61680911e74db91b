"""What a browser still says of the page before, when the server has already drawn the next one.

A timer asks every other second, and the browser sends the state of all its boxes along. While a new page is on its way to it, that is the
state of the former one: it must not be taken for something the person did. Here such a message follows right behind a click, every time.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser.audit import wait_for_pictures
from tests.browser.test_pages import BLUE_HAT, DEV, box
from tests.ui.fake_app import draw

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

Change = Callable[[ClientState, str], None]


class Line:
    """The line between page and server: once the next click on `key` has brought a new address, the server hears the page before again."""

    def __init__(self, page: Page) -> None:
        self.key = ""
        self.timers: list[str] = []
        self.sent = 0
        self._change: Change = lambda asked, address: None
        self._late: BackMsg | None = None
        self.said = BackMsg()
        self._far: WebSocketRoute | None = None
        page.route_web_socket(re.compile("_stcore/stream"), self._connect)

    def follow(self, key: str, change: Change) -> None:
        self.key, self._change = key, change

    def say_again(self, said: BackMsg, values: dict[str, str]) -> None:
        """Send a former message once more, with other values of some choices."""
        assert self._far is not None
        for state in said.rerun_script.widget_states.widgets:
            for key, value in values.items():
                if state.id.endswith(f"-{key}"):
                    state.string_array_value.data[:] = [value]
        self._far.send(said.SerializeToString())

    def a_timer(self, asked: ClientState, address: str) -> None:
        """Make of a message what the page's timer sends while the new page is being drawn."""
        asked.fragment_id, asked.is_auto_rerun, asked.query_string = self.timers[-1], True, address

    def _connect(self, near: WebSocketRoute) -> None:
        self._far = far = near.connect_to_server()

        def from_page(message: str | bytes) -> None:
            far.send(message)
            if isinstance(message, bytes):
                self._listen(BackMsg.FromString(message))

        def from_server(message: str | bytes) -> None:
            near.send(message)
            if self._late is None or not isinstance(message, bytes):
                return
            news = ForwardMsg.FromString(message)
            if news.HasField("page_info_changed"):
                self._change(self._late.rerun_script, news.page_info_changed.query_string)
                far.send(self._late.SerializeToString())
                self._late = None
                self.sent += 1

        near.on_message(from_page)
        far.on_message(from_server)

    def _listen(self, said: BackMsg) -> None:
        asked = said.rerun_script
        self.said.CopyFrom(said)
        if asked.is_auto_rerun:
            self.timers.append(asked.fragment_id)
        clicked = [state for state in asked.widget_states.widgets if state.trigger_value]
        if self.key and any(self.key in state.id for state in clicked):
            self.key = ""
            for state in clicked:
                asked.widget_states.widgets.remove(state)
            self._late = said


@pytest.fixture
def line(watched: Page) -> Line:
    return Line(watched)


def search(page: Page, words: str) -> None:
    box(page).fill(words)
    box(page).press("Enter")
    expect(page.get_by_text(f"for “{words}”")).to_be_visible()
    wait_for_pictures(page)


def wait_for_a_timer(page: Page, line: Line) -> None:
    before = len(line.timers)
    for _ in range(100):
        if len(line.timers) > before:
            return
        page.wait_for_timeout(100)
    pytest.fail("the page's timer never asked")


def test_a_box_of_the_page_before_is_not_asked_with_again(watched: Page, line: Line, shared) -> None:
    app = shared(DEV)
    watched.goto(app.url)
    search(watched, "blue hat")
    wait_for_a_timer(watched, line)
    line.follow("similar-found", line.a_timer)
    watched.locator(f".st-key-similar-found-{BLUE_HAT}").click()
    expect(watched.get_by_text("like “Blue hat, checked”")).to_be_visible()
    wait_for_a_timer(watched, line)
    assert line.sent == 1
    assert watched.url.endswith("/?like=12")
    assert box(watched).input_value() == ""
    watched.go_back()
    expect(watched.get_by_text("for “blue hat”")).to_be_visible()
    expect(box(watched)).to_have_value("blue hat")


def test_words_that_went_with_the_picture_before_do_not_go_with_the_next(watched: Page, line: Line, shared) -> None:
    app = shared(DEV)
    watched.goto(f"{app.url}/?like=12")
    words = watched.get_by_label("Words to go with the picture")
    words.fill("in green")
    words.press("Enter")
    expect(watched.get_by_text("like “Blue hat, checked” and “in green”")).to_be_visible()
    wait_for_a_timer(watched, line)
    line.follow("similar-found", line.a_timer)
    watched.locator("[class*='st-key-similar-found-']").first.click()
    expect(watched).to_have_url(re.compile(r"\?like=\d+$"))
    wait_for_a_timer(watched, line)
    assert line.sent == 1
    assert re.search(r"\?like=\d+$", watched.url)
    # Where the timer's answer follows at once, Streamlit's page leaves the former box until the page is drawn whole again.
    watched.get_by_role("slider", name="How many").press("ArrowRight")
    expect(words).to_have_count(1)
    expect(words).to_have_value("")


def test_a_box_that_is_gone_asks_nothing(watched: Page, line: Line, shared, tmp_path: Path) -> None:
    """The box for words has made room for that for a picture, and a timer still brings its words."""
    app = shared(DEV)
    watched.goto(app.url)
    search(watched, "blue hat")
    wait_for_a_timer(watched, line)
    former = BackMsg.FromString(line.said.SerializeToString())
    main = watched.get_by_test_id("stMain")
    main.get_by_text("Picture", exact=True).click()
    expect(box(watched)).to_have_count(0)
    line.say_again(former, {"way": ":material/image: Picture"})
    path = tmp_path / "plate.png"
    path.write_bytes(draw("plate", "blue", "checked", size=(120, 90)))
    main.locator("input[type=file]").set_input_files(path)
    expect(watched.get_by_text("like “plate.png”")).to_be_visible()
    wait_for_pictures(watched)


def test_narrowing_taken_back_stays_taken_back(watched: Page, line: Line, shared) -> None:
    app = shared(DEV)
    watched.goto(f"{app.url}/?q=striped&where.colour=blue")
    watched.get_by_text("Narrow down").click()
    expect(watched.get_by_text("Score at least")).to_be_visible()
    wait_for_a_timer(watched, line)
    line.follow("narrow-reset", line.a_timer)
    watched.get_by_role("button", name="Show all again").click()
    expect(watched.get_by_text("striped", exact=False).first).to_be_visible()
    wait_for_a_timer(watched, line)
    assert line.sent == 1
    assert watched.url.endswith("/?q=striped")


def test_an_address_bar_that_has_not_heard_of_the_search_yet_does_not_undo_it(watched: Page, line: Line, shared) -> None:
    """Words typed, and at once something of the side bar moved: its message still carries the address of the page before."""
    app = shared(DEV)
    watched.goto(app.url)
    search(watched, "blue hat")
    line.follow("similar-found", lambda asked, address: asked.ClearField("fragment_id"))
    watched.locator(f".st-key-similar-found-{BLUE_HAT}").click()
    expect(watched.get_by_text("like “Blue hat, checked”")).to_be_visible()
    wait_for_a_timer(watched, line)
    assert line.sent == 1
    expect(watched.get_by_text("like “Blue hat, checked”")).to_be_visible()
    assert watched.url.endswith("/?like=12")
    watched.go_back()
    expect(watched.get_by_text("for “blue hat”")).to_be_visible()
