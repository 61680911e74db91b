"""Journeys through what a picture says and through the models, on a collection that computes."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.audit import broken_pictures, low_contrast, wait_for_pictures, width_beyond
from tests.browser.conftest import Watch
from tests.ui.fake_app import draw

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

DEV = "tests/ui/dev_app.py"


def found(page: Page):
    return page.locator("[class*='st-key-face-found-']")


def test_from_a_picture_over_its_captions_to_words(watched: Page, shared, tmp_path: Path) -> None:
    app = shared(DEV)
    watched.goto(app.url)
    mug = tmp_path / "mug.png"
    mug.write_bytes(draw("mug", "red", "plain", size=(300, 280)))
    main = watched.get_by_test_id("stMain")
    main.get_by_text("Picture", exact=True).click()
    main.locator("input[type=file]").set_input_files(mug)
    expect(watched.get_by_role("heading", name="Captions that fit")).to_be_visible()
    rows = watched.locator("[class*='st-key-caption-row-']")
    expect(rows).to_have_count(10)
    wait_for_pictures(watched)
    assert broken_pictures(watched) == 0
    assert width_beyond(watched) == 0

    together = main.get_by_label("Words to go with the picture")
    together.fill("blue hat")
    together.press("Enter")
    expect(watched.get_by_text("like “mug.png” and “blue hat”")).to_be_visible()
    expect(main.get_by_text("half and half")).to_be_visible()
    assert "?" not in watched.url
    wait_for_pictures(watched)

    second = rows.nth(1).get_by_role("button")
    words = second.inner_text()
    second.click()
    expect(watched.get_by_text(f"for “{words}”")).to_be_visible()
    expect(found(watched).first).to_contain_text(words)
    expect(rows).to_have_count(0)
    wait_for_pictures(watched)
    watched.reload()
    expect(watched.get_by_text(f"for “{words}”")).to_be_visible()
    wait_for_pictures(watched)


def test_narrowing_stays_open_and_in_the_address(watched: Page, shared) -> None:
    app = shared(DEV)
    watched.goto(f"{app.url}/?q=striped")
    expect(found(watched)).to_have_count(10)
    main = watched.get_by_test_id("stMain")
    main.get_by_text("Narrow down").click()
    main.get_by_role("button", name="hat · 5").click()
    expect(watched.get_by_text("5 of 5 for “striped”, category hat")).to_be_visible()
    expect(main.get_by_text("Score at least")).to_be_visible()
    assert low_contrast(watched) == []
    wait_for_pictures(watched)
    main.get_by_role("button", name="blue · 6").click()
    expect(found(watched)).to_have_count(1)
    wait_for_pictures(watched)
    watched.go_back()
    expect(found(watched)).to_have_count(5)
    wait_for_pictures(watched)
    watched.reload()
    expect(watched.get_by_text("5 of 5 for “striped”, category hat")).to_be_visible()
    wait_for_pictures(watched)


@pytest.mark.parametrize("width", [1280, 390])
def test_changing_the_model(browser: Browser, serve, width: int) -> None:
    app = serve(DEV)
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    watch = Watch(page)
    page.goto(f"{app.url}/model")
    first = page.locator(".st-key-model-0")
    expect(first).to_contain_text("ResNet18 + GRU")
    page.get_by_role("button", name="Use this model").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("“mobilenet-minilm” will encode every picture first: 30 pictures.")
    dialog.get_by_role("button", name="Change").click()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Switching the model · paused")).to_be_visible()
    expect(page.get_by_role("button", name="Use this model")).to_be_disabled()
    assert width_beyond(page) == 0
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("mobilenet-minilm is in use now.")).to_be_visible(timeout=90_000)
    expect(first).to_contain_text("mobilenet-minilm")
    expect(first).to_contain_text("In use")

    page.get_by_role("button", name="Delete the other model").click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".st-key-model-1")).to_have_count(0)
    assert width_beyond(page) == 0
    assert low_contrast(page) == []
    assert not watch.problems
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_figures_and_presets_fit_and_can_be_read(browser: Browser, shared, width: int, scheme: str) -> None:
    app = shared(DEV, FAKE="measured")
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    watch = Watch(page)
    page.goto(f"{app.url}/model")
    expect(page.get_by_text("have collapsed")).to_be_visible()
    expect(page.get_by_text("Guessing", exact=True)).to_have_count(2)
    page.get_by_text("Models you can train").click()
    expect(page.get_by_text("cli.py train --preset mobilenet-minilm").first).to_be_visible()
    page.wait_for_timeout(400)
    assert width_beyond(page) == 0
    assert low_contrast(page) == []
    assert not watch.problems
    page.context.close()
