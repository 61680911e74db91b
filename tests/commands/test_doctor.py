"""`doctor` as a command: what it prints, and how it ends."""

import pytest
from PIL import Image

from doctor import run
from tests.commands.shell import Shell


@pytest.fixture(autouse=True)
def without_the_slowest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokenizer's check starts two processes; it has its own test."""
    monkeypatch.setattr(run, "CHECKS", tuple(entry for entry in run.CHECKS if entry[0] != "tokenizer"))


@pytest.mark.slow
def test_findings_are_lines_and_the_cure_cures(shell: Shell) -> None:
    path = shell.folder / "data" / "image_features.pt"
    path.write_bytes(b"broken")
    said = shell("doctor", "--quiet")
    assert said.exit_code == 1, said.output
    rows = {row[2]: row for row in (line.split("\t") for line in said.stdout.splitlines())}
    assert rows["cache_refused"][1] == "fault"
    assert rows["cache_refused"][4] == "python cli.py index --repair"
    assert shell("index", "--repair").exit_code == 0
    after = shell.json("doctor")
    assert "cache_refused" not in {finding["code"] for finding in after["findings"]}
    assert "cache" in after["checks"]


@pytest.mark.slow
def test_before_there_is_anything_only_notes(empty_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    of_the_installation = tuple(entry for entry in run.CHECKS if entry[0] not in ("versions", "disk"))
    monkeypatch.setattr(run, "CHECKS", of_the_installation)
    said = empty_shell.json("doctor")
    assert {finding["code"]: finding["fault"] for finding in said["findings"]} == {"no_collection": False}
    assert said["faults"] == 0
    said = empty_shell("doctor")
    assert said.exit_code == 0
    assert said.stderr.startswith("There is no collection yet")
    assert empty_shell("doctor", "--ids", "placeholder_pictures").exit_code == 1


@pytest.mark.slow
def test_the_ids_of_a_finding_are_what_remove_reads(shell: Shell) -> None:
    for grey in (100, 101):
        path = shell.folder / f"{grey}.png"
        Image.new("RGB", (64, 64), (grey, grey, grey)).save(path)
        shell("add", path)
    ids = shell("doctor", "--ids", "placeholder_pictures")
    assert ids.stdout == "13\n14\n"
    assert shell("remove", "-", stdin=ids.stdout.encode()).stdout == "13\tremoved\n14\tremoved\n"
    assert shell("doctor", "--ids", "placeholder_pictures", "--json").exit_code == 2
