"""The whole way, on the real app: three searches, two additions, the plug pulled, and everything still there."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.audit import broken_pictures, wait_for_pictures, width_beyond
from tests.browser.conftest import READY_S, ROOT, Watch
from tests.ui.fake_app import draw

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

FOR_THE_README = bool(os.environ.get("TESTS_SCREENSHOT"))
QUICK = {"DEMO_ITEMS": "100", "MAX_EPOCHS": "1", "EMBED_DIM": "64", "IMAGE_PX": "32"}


def settings(folder: Path, host: str) -> dict[str, str]:
    own = {
        "DATA_DIR": str(folder / "data"),
        "DATASET_DIR": str(folder / "dataset"),
        "MODEL_PATH": str(folder / "trained_model.pth"),
        "DOWNLOAD_WEIGHTS": "false",
        "FETCH_ALLOW": host,
        **({} if FOR_THE_README else QUICK),
    }
    return {"HOME": str(folder), **{f"CROSSMODAL_{name}": value for name, value in own.items()}}


def box(page: Page):
    return page.get_by_role("searchbox", name="Describe what you are looking for")


def found(page: Page):
    return page.locator("[class*='st-key-face-found-']")


def ask(page: Page, words: str) -> None:
    box(page).fill(words)
    box(page).press("Enter")
    expect(page.get_by_text(f"for “{words}” ·")).to_be_visible()
    wait_for_pictures(page)


def open_app(browser: Browser, url: str, *, width: int = 1280, height: int = 900) -> tuple[Page, Watch]:
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.set_default_timeout(60_000)
    watch = Watch(page)
    page.goto(url)
    expect(box(page)).to_be_visible(timeout=READY_S * 1000)
    return page, watch


def search_by_file(page: Page, file: Path) -> None:
    main = page.get_by_test_id("stMain")
    main.get_by_text("Picture", exact=True).click()
    main.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text(f"like “{file.name}”")).to_be_visible()


def search_by_address(page: Page, address: str, *, said: str = "like") -> None:
    page.get_by_test_id("stMain").get_by_text("Address", exact=True).click()
    field = page.get_by_test_id("stMain").get_by_label("Address of a picture")
    field.fill(address)
    field.press("Enter")
    expect(page.get_by_text(f"{said} “{address}”")).to_be_visible()


def add(page: Page, title: str) -> None:
    side = page.get_by_test_id("stSidebar")
    side.get_by_label("Title (optional)").fill(title)
    side.get_by_label("Title (optional)").press("Enter")
    side.get_by_role("button", name="Add", exact=True).click()
    expect(side.get_by_text(title, exact=True)).to_be_visible()
    side.get_by_role("button", name="Find it").click()
    expect(page.locator(".st-key-have")).to_contain_text(title)


def picture_of(folder: Path, page: Page, name: str) -> None:
    wait_for_pictures(page)
    page.wait_for_timeout(500)  # the fade of what was just replaced
    page.screenshot(path=folder / name)


def test_journey(browser: Browser, serve, pictures, tmp_path: Path) -> None:
    host, files = pictures
    files["/lamp.png"] = draw("lamp", "yellow", "dotted", size=(300, 200))
    uploaded = tmp_path / "plate.png"
    uploaded.write_bytes(draw("plate", "blue", "checked", size=(200, 260)))
    address = f"http://{host}/lamp.png"
    shots = ROOT / "docs" / "images" if FOR_THE_README else tmp_path
    shots.mkdir(parents=True, exist_ok=True)

    app = serve("app.py", **settings(tmp_path, host))
    page, watch = open_app(browser, app.url)
    ask(page, "red striped mug")
    assert page.url.endswith("?q=red+striped+mug")
    expect(found(page)).to_have_count(10)
    assert width_beyond(page) == 0
    picture_of(shots, page, "search.png")

    search_by_file(page, uploaded)
    expect(found(page)).to_have_count(10)
    assert "q=" not in page.url
    search_by_address(page, address)
    expect(found(page)).to_have_count(10)
    search_by_address(page, f"http://{host}/nothing.png", said="Could not search by")
    expect(page.get_by_role("alert")).to_contain_text("404")

    side = page.get_by_test_id("stSidebar")
    side.locator("input[type=file]").set_input_files(uploaded)
    add(page, "Blue plate of my own")
    side.get_by_text("Address", exact=True).click()
    side.get_by_label("Address of a picture").fill(address)
    side.get_by_label("Address of a picture").press("Enter")
    add(page, "Lamp from the web")
    assert broken_pictures(page) == 0
    assert not watch.problems
    page.context.close()

    app.kill()
    app.start()
    page, watch = open_app(browser, app.url)
    for name, title in ((uploaded, "Blue plate of my own"), (address, "Lamp from the web")):
        search_by_file(page, name) if isinstance(name, Path) else search_by_address(page, name)
        expect(page.locator(".st-key-have")).to_contain_text(title)
    assert not watch.problems
    page.context.close()

    page, watch = open_app(browser, f"{app.url}/?q=red+striped+mug", width=390, height=844)
    expect(found(page)).to_have_count(10)
    assert width_beyond(page) == 0
    first, second, third = (found(page).nth(n).bounding_box() for n in range(3))
    assert first["y"] == second["y"] < third["y"], "two columns"
    picture_of(shots, page, "search-phone.png")
    assert not watch.problems
    page.context.close()
