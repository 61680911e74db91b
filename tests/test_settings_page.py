"""docs/settings.md lists every setting as `config.py` has it: `TESTS_WRITE=1 python -m pytest tests/test_settings_page.py` writes it."""

import inspect
import os
import re
from pathlib import Path

from config import HOME_DIR, PREFIX, Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
BEGIN, END = "<!-- begin of the list -->\n", "<!-- end of the list -->\n"


def shown(default: object) -> str:
    """A default as it would be written in `.env`."""
    if isinstance(default, Path):
        return f"`{default.relative_to(HOME_DIR).as_posix()}`"
    return (
        "" if default in (None, "", ()) else f"`{default:_}`" if isinstance(default, int) and default >= 10**4 else f"`{default}`"
    )


def listing() -> str:
    """A heading and a table for each group of fields; the headings are the comments between them."""
    lines: list[str] = []
    for line in inspect.getsource(Settings).splitlines():
        if heading := re.fullmatch(r"    # (.+)", line):
            lines += ["", f"## {heading[1]}", "", "| variable | default | what it is |", "|---|---|---|"]
        elif (name := re.match(r"    (\w+): ", line)) and name[1] in Settings.model_fields:
            field = Settings.model_fields[name[1]]
            lines.append(f"| `{PREFIX}{name[1].upper()}` | {shown(field.default)} | {field.description} |".replace("|  |", "| |"))
    return "\n".join(lines).lstrip("\n") + "\n"


def test_the_page_lists_every_setting() -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    if os.environ.get("TESTS_WRITE"):
        PAGE.write_text(f"{before}{BEGIN}\n{listing()}\n{END}{after}", encoding="utf-8")
    elif rest.partition(END)[0].strip() != listing().strip():
        raise AssertionError("docs/settings.md differs from config.py: TESTS_WRITE=1 python -m pytest tests/test_settings_page.py")
    assert all(f"`{PREFIX}{name.upper()}`" in listing() for name in Settings.model_fields)
