"""The real script and pages, on a collection that computes."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from tests.ui.fake_app import FakeApp, build_fake
from ui import session, startup

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def installed_components() -> Iterator[None]:
    """Streamlit reads the metadata of every installed package for each `AppTest`, a third of a second; here once a process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


def key(at: AppTest, name: str) -> str:
    """The key that a box of the question has now: it changes when something else than the box changes what it shows."""
    return f"{name}-{at.session_state['turn']}"


@pytest.fixture
def go_back(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What Back or Forward does: `go_back(at, q="red mug")` brings the page with that address."""

    def bring(at: AppTest, **address: str) -> None:
        at.query_params.clear()
        at.query_params.update(address)
        with monkeypatch.context() as patch:
            patch.setattr(session, "_went_back", lambda: True)
            at.run()

    return bring


@pytest.fixture
def collection() -> FakeApp:
    return FakeApp()


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch, collection: FakeApp) -> Iterator[Callable[..., AppTest]]:
    """Open the app as a visitor would: `visit("collection", q="red mug")`."""
    startup.starter.clear()
    monkeypatch.setattr(startup, "build", lambda note: build_fake(note, app=collection))

    def open_page(page: str = "", **address: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
        for name, value in address.items():
            at.query_params[name] = value
        at.run()
        if page:
            at.switch_page(str(ROOT / "ui" / "pages" / f"{page}.py")).run()
        assert not at.exception, [element.message for element in at.exception]
        return at

    yield open_page
    startup.starter.clear()
