"""Hostile texts on every surface of a real page: shown as they are, nothing runs, nothing is asked of the network."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.audit import wait_for_pictures
from tests.ui.injections import INJECTIONS
from ui.formatting import clean, shorten

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
JOINER = "\u2060"


def texts(page: Page) -> str:
    return page.locator("body").inner_text().replace(JOINER, "")


@pytest.fixture(scope="module")
def titles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("titles") / "titles.json"
    path.write_text(json.dumps(INJECTIONS), encoding="utf-8")
    return path


@pytest.fixture
def poisoned(watched: Page, shared, titles: Path) -> tuple[Page, str]:
    return watched, shared("tests/ui/dev_app.py", FAKE="hostile", FAKE_TITLES=str(titles)).url


def unharmed(page: Page) -> None:
    assert page.evaluate("window.injected === undefined")
    assert page.evaluate("getComputedStyle(document.body).display") != "none"
    assert page.locator("img:not([src*='/media/']):not([src^='data:'])").count() == 0
    assert page.locator("a[href*='invalid'], a[href*='evil'], a[href^='javascript'], a[href^='mailto']").count() == 0


def test_titles_in_the_collection(poisoned: tuple[Page, str]) -> None:
    page, url = poisoned
    page.goto(f"{url}/collection")
    expect(page.locator("[class*='st-key-face-all-']")).to_have_count(30)
    wait_for_pictures(page)
    page.get_by_role("button", name="Next").click()
    page.get_by_text("31 to ").wait_for()
    wait_for_pictures(page)
    shown = texts(page)
    for text in INJECTIONS[:30]:
        assert clean(text) in shown
    unharmed(page)


def test_catalogues_and_failures(poisoned: tuple[Page, str]) -> None:
    page, url = poisoned
    page.goto(f"{url}/collection")
    expect(page.locator("[class*='st-key-face-all-']")).to_have_count(30)
    wait_for_pictures(page)
    for tab in ("Catalogues", "Failed rows"):
        page.get_by_test_id("stMain").get_by_text(tab, exact=True).click()
        page.wait_for_timeout(800)
        unharmed(page)


def test_the_large_view(poisoned: tuple[Page, str]) -> None:
    page, url = poisoned
    page.goto(f"{url}/collection")
    expect(page.locator("[class*='st-key-face-all-']")).to_have_count(30)
    wait_for_pictures(page)
    page.get_by_role("button", name="Next").click()
    page.get_by_text("31 to ").wait_for()
    wait_for_pictures(page)
    dialog = page.get_by_role("dialog")
    for item_id, text in enumerate(INJECTIONS[:30], start=31):
        page.locator(f".st-key-face-all-{item_id}").get_by_role("button").click()
        expect(dialog.locator(".st-key-details-title")).to_have_text(clean(text))
        expect(dialog.get_by_test_id("stCode").locator("code")).to_have_text(clean(text))
        cells = dialog.get_by_role("table").inner_text().replace(JOINER, "")
        assert cells.count(clean(text)) >= 3, "name and value of an attribute, and the catalogue"
        wait_for_pictures(page)
        unharmed(page)
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)


def test_questions(poisoned: tuple[Page, str]) -> None:
    page, url = poisoned
    page.goto(url)
    box = page.get_by_role("searchbox")
    for text in INJECTIONS:
        if clean(text).startswith("http"):
            continue
        box.fill(clean(text))
        box.press("Enter")
        expect(page.locator(".st-key-asked .stText").first).to_contain_text(f"“{shorten(text, 120)}”")
        wait_for_pictures(page)
        unharmed(page)
