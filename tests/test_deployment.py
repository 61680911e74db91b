"""The files of a deployment, as far as they can be looked at where nothing can be built."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from commands._app import MEANINGS

PROJECT = Path(__file__).resolve().parents[1]


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) of the Dockerfile, continued lines joined, comments left out."""
    lines = [line for line in (PROJECT / "Dockerfile").read_text().splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines()]


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    said = subprocess.run([hadolint, PROJECT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (said.returncode, said.stdout) == (0, "")


def test_the_image_runs_as_a_user_without_rights_and_keeps_its_data_outside() -> None:
    said = dict(reversed(instructions()))
    assert [rest for name, rest in instructions() if name == "USER"] == ["10001:10001"]
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", said["FROM"])
    assert said["HEALTHCHECK"]
    assert said["VOLUME"] == '["/data"]'


def test_the_image_holds_nothing_of_an_installation() -> None:
    left_out = (PROJECT / ".dockerignore").read_text().splitlines()
    assert {".git", ".env", "data", "dataset/*", "*.pth", ".venv"} <= set(left_out)


def test_both_services_share_the_volume_and_are_published_here_only() -> None:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML to read compose.yaml")
    found = yaml.safe_load((PROJECT / "compose.yaml").read_text())
    services = found["services"]
    assert set(services) == {"prepare", "app", "api"}
    for service in services.values():
        assert service["volumes"] == ["collection:/data"]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert ":?" in service["environment"]["CROSSMODAL_API_KEYS"]  # no key, no start
    assert "collection" in found["volumes"]


def test_the_health_checks_are_let_in() -> None:
    """They ask from inside the container, by the loopback address."""
    from api.settings import options_from
    from config import Settings

    yaml = pytest.importorskip("yaml", reason="needs PyYAML to read compose.yaml")
    given = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]["api"]["environment"]
    hosts = given["CROSSMODAL_API_HOSTS"].partition(":-")[2].rstrip("}")
    settings = Settings(api_host=given["CROSSMODAL_API_HOST"], api_hosts=(hosts,), api_keys=("x" * 32,))
    assert {"127.0.0.1", "localhost"} <= options_from(settings).hosts


def test_every_setting_that_is_named_is_there() -> None:
    from config import Settings

    known = {f"CROSSMODAL_{name.upper()}" for name in Settings.model_fields}
    for name in ("Dockerfile", "compose.yaml", "docs/deployment.md", "docs/cli.md"):
        assert set(re.findall(r"CROSSMODAL_[A-Z_]+", (PROJECT / name).read_text())) <= known, name


def test_the_guide_of_the_commands_has_every_exit_code() -> None:
    text = (PROJECT / "docs" / "cli.md").read_text()
    for code, meaning in MEANINGS.items():
        assert f"| {code} | {meaning} |" in text


def test_every_command_in_the_guide_is_one() -> None:
    import cli

    names = {name for panel in cli.PANELS.values() for name in panel}
    for page in ("cli.md", "deployment.md"):
        used = set(re.findall(r"python cli\.py ([a-z][a-z-]*)", (PROJECT / "docs" / page).read_text()))
        assert used <= names
