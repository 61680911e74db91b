"""Every page as a browser shows it, on a collection that computes: no model, so no wait."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.audit import low_contrast, nameless_pictures, wait_for_pictures, width_beyond
from tests.browser.conftest import Watch
from tests.ui.fake_app import draw

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

DEV = "tests/ui/dev_app.py"
BLUE_HAT = 12
"""The id of the one item that "blue hat" fits best."""
PAGES = ("Search", "Collection", "Model", "About")


def found(page: Page):
    return page.locator("[class*='st-key-face-found-']")


def box(page: Page):
    return page.get_by_role("searchbox")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_and_can_be_read(browser: Browser, shared, width: int, scheme: str) -> None:
    app = shared(DEV, FAKE="long")
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    watch = Watch(page)
    page.goto(f"{app.url}/?q=long+mug")
    expect(found(page)).to_have_count(10)
    for name in PAGES:
        if name != "Search":
            if width == 390:
                page.get_by_test_id("stExpandSidebarButton").click()
            page.get_by_role("link", name=name).first.click()
            expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
            if width == 390:
                expect(page.get_by_test_id("stSidebar")).not_to_be_in_viewport()
        wait_for_pictures(page)
        page.wait_for_timeout(400)  # stale parts fade in
        assert width_beyond(page) == 0, name
        assert low_contrast(page) == [], name
        assert nameless_pictures(page) == [], name
    assert not watch.problems
    context.close()


def test_keyboard(watched: Page, shared) -> None:
    app = shared(DEV)
    watched.goto(app.url)
    expect(box(watched)).to_be_visible()
    for _ in range(60):  # the keys work as soon as their script has come, which nothing on the page tells
        watched.keyboard.press("/")
        if box(watched).evaluate("box => box === document.activeElement"):
            break
        watched.wait_for_timeout(500)
    expect(box(watched)).to_be_focused()
    expect(box(watched)).to_have_value("")
    watched.keyboard.type("red mug")
    watched.keyboard.press("Enter")
    expect(watched.get_by_text("for “red mug”")).to_be_visible()
    expect(found(watched)).to_have_count(10)
    wait_for_pictures(watched)
    tiles = watched.locator("[class*='st-key-open-found-'] button:visible")
    expect(tiles).to_have_count(10)  # the browser draws them in any order
    tiles.first.focus()
    watched.keyboard.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    watched.keyboard.press("ArrowDown")
    expect(tiles.nth(6)).to_be_focused()
    watched.keyboard.press("ArrowUp")
    watched.keyboard.press("ArrowLeft")
    expect(tiles.first).to_be_focused()
    watched.keyboard.press("Enter")
    expect(watched.get_by_role("dialog")).to_contain_text("Red mug, plain")
    watched.keyboard.press("Escape")
    expect(watched.get_by_role("dialog")).to_have_count(0)


def test_back_and_forward_walk_through_searches(watched: Page, shared) -> None:
    app = shared(DEV)
    watched.goto(app.url)
    for words in ("red mug", "blue hat"):
        box(watched).fill(words)
        box(watched).press("Enter")
        expect(watched.get_by_text(f"for “{words}”")).to_be_visible()
        wait_for_pictures(watched)
    watched.locator(f".st-key-similar-found-{BLUE_HAT}").click()
    expect(watched.get_by_text("like “Blue hat, checked”")).to_be_visible()
    expect(watched.locator("[class*='st-key-caption-row-']")).to_have_count(10)
    wait_for_pictures(watched)
    watched.go_back()
    expect(watched.get_by_text("for “blue hat”")).to_be_visible()
    wait_for_pictures(watched)
    watched.go_back()
    expect(watched.get_by_text("for “red mug”")).to_be_visible()
    expect(box(watched)).to_have_value("red mug")
    wait_for_pictures(watched)
    watched.go_forward()
    expect(watched.get_by_text("for “blue hat”")).to_be_visible()
    wait_for_pictures(watched)
    watched.go_back()
    watched.go_back()
    expect(watched.get_by_text("30 pictures to search")).to_be_visible()


def test_details_neighbours_similar_and_remove(watched: Page, shared) -> None:
    app = shared(DEV)
    watched.goto(f"{app.url}/?q=red+mug")
    expect(found(watched)).to_have_count(10)
    found(watched).first.get_by_role("button").click()
    dialog = watched.get_by_role("dialog")
    expect(dialog).to_contain_text("Red mug, plain")
    expect(dialog).to_contain_text("240 × 240 pixels")
    wait_for_pictures(watched)
    neighbour = dialog.locator("[class*='st-key-face-near-']").first
    name = neighbour.inner_text().splitlines()[0]
    neighbour.get_by_role("button").click()
    expect(dialog.locator(".st-key-details-title")).to_have_text(name)
    dialog.get_by_role("button", name="Similar").click()
    expect(dialog).to_have_count(0)
    expect(watched.get_by_text(f"like “{name}”")).to_be_visible()
    wait_for_pictures(watched)
    found(watched).first.get_by_role("button").click()
    gone = dialog.locator(".st-key-details-title").inner_text()
    wait_for_pictures(watched)
    dialog.get_by_role("button", name="Remove").click()
    expect(watched.get_by_text(f"Removed “{gone}”.")).to_be_visible()
    watched.get_by_role("button", name="Undo").click()
    expect(found(watched).first).to_contain_text(gone)
    wait_for_pictures(watched)


def test_menu_of_a_tile(watched: Page, shared) -> None:
    app = shared(DEV)
    watched.goto(f"{app.url}/?q=blue+hat")
    wait_for_pictures(watched)
    watched.locator(f".st-key-menu-found-{BLUE_HAT} button").click()
    watched.get_by_text("Remove", exact=True).click()
    expect(watched.get_by_text("Removed “Blue hat, checked”.")).to_be_visible()
    watched.get_by_role("button", name="Undo").click()
    expect(found(watched).first).to_contain_text("Blue hat, checked")
    wait_for_pictures(watched)


def test_results_stay_while_a_slow_address_is_fetched(watched: Page, serve) -> None:
    app = serve(DEV, FAKE="slow-web")
    watched.goto(f"{app.url}/?q=red+mug")
    expect(found(watched)).to_have_count(10)
    watched.get_by_test_id("stMain").get_by_text("Address", exact=True).click()
    field = watched.get_by_test_id("stMain").get_by_label("Address of a picture")
    field.fill("http://pictures.test/red-mug.png")
    field.press("Enter")
    expect(watched.get_by_text("Fetching the picture from")).to_be_visible()
    expect(found(watched)).to_have_count(10)
    expect(watched.get_by_text("like “http://pictures.test/red-mug.png”")).to_be_visible()
    wait_for_pictures(watched)


def test_a_reload_does_not_disturb_the_start(watched: Page, serve) -> None:
    app = serve(DEV, FAKE="slow")
    watched.goto(app.url)
    expect(watched.get_by_text("Catalogue: 720 demo pictures drawn")).to_be_visible()
    expect(watched.get_by_text("it now finds")).to_be_visible()
    watched.reload()
    expect(watched.get_by_text("epoch 1 of", exact=False)).to_have_count(0)
    expect(watched.get_by_text("Catalogue: 720 demo pictures drawn")).to_be_visible()
    expect(box(watched)).to_be_visible(timeout=60_000)
    wait_for_pictures(watched)


def test_a_job_is_shown_and_stopped(watched: Page, serve) -> None:
    app = serve(DEV)
    watched.goto(app.url)
    watched.get_by_role("button", name="Rebuild and retrain").click()
    watched.get_by_role("dialog").get_by_role("button", name="Rebuild and retrain").click()
    expect(watched.get_by_text("search keeps working meanwhile")).to_be_visible()
    expect(watched.get_by_text(re.compile(r"pictures/s · .* left$"))).to_be_visible()
    box(watched).fill("red mug")
    box(watched).press("Enter")
    expect(watched.get_by_text("for “red mug”")).to_be_visible()
    watched.get_by_role("button", name="Stop", exact=True).click()
    expect(watched.get_by_text("Indexing was stopped.")).to_be_visible()
    wait_for_pictures(watched)


def test_adding_many_files(watched: Page, serve, tmp_path: Path) -> None:
    app = serve(DEV)
    watched.goto(app.url)
    paths = []
    for number in range(3):
        path = tmp_path / f"own-{number}.png"
        path.write_bytes(draw("box", "black", "plain", size=(100 + number, 80)))
        paths.append(path)
    (tmp_path / "notes.png").write_bytes(b"not a picture")
    side = watched.get_by_test_id("stSidebar")
    side.locator("input[type=file]").set_input_files([*paths, tmp_path / "notes.png"])
    side.get_by_role("button", name="Add 4 pictures").click()
    expect(side.get_by_text("Added.")).to_have_count(3)
    expect(side.get_by_role("alert")).to_contain_text("notes.png")
    wait_for_pictures(watched)
