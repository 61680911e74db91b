"""What the server is told, and what the pages may load."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("server", "address", "127.0.0.1"),
        ("server", "allowedHosts", ["localhost", "127.0.0.1", "::1"]),
        ("server", "enableXsrfProtection", True),
        ("server", "enableCORS", True),
        ("server", "enableStaticServing", False),
        ("server", "enableAgentApi", False),
        ("server", "maxUploadSize", 20),
        ("server", "maxMessageSize", 50),
        ("client", "showErrorDetails", "none"),
        ("client", "toolbarMode", "viewer"),
        ("browser", "gatherUsageStats", False),
    ],
)
def test_hardening(section: str, name: str, value: object) -> None:
    assert CONFIG[section][name] == value


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_read(scheme: str) -> None:
    theme = CONFIG["theme"][scheme]
    side = theme["sidebar"]
    for background in (
        theme["backgroundColor"],
        theme["secondaryBackgroundColor"],
        side["backgroundColor"],
        side["secondaryBackgroundColor"],
    ):
        assert contrast(theme["textColor"], background) >= 7
        assert contrast(theme["linkColor"], background) >= 4.5
    assert contrast("#ffffff", theme["primaryColor"]) >= 4.5, "the words on a button"
    assert contrast(theme["primaryColor"], theme["backgroundColor"]) >= 3, "the button beside its page"


def test_contrast_against_known_pairs() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.slow
def test_pages_load_neither_torch_nor_the_store() -> None:
    parts = sorted(f"ui.{path.stem}" for path in (ROOT / "ui").glob("*.py") if path.stem != "__init__")
    heavy = ("torch", "app_logic", "crossmodal.store")
    script = f"import sys, {', '.join(parts)}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_page_is_given_html_or_a_path_to_show() -> None:
    for path in [ROOT / "app.py", *(ROOT / "ui").rglob("*.py")]:
        source = path.read_text(encoding="utf-8")
        assert "unsafe_allow_html" not in source, path.name
        assert "unsafe_allow_javascript" not in source, path.name
        assert path.name == "theme.py" or "st.html(" not in source, path.name
