"""The examples of docs/api.md, run unchanged against a server on another port."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.app_parts import png

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found
    return found


def test_python_examples(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mug.png").write_bytes(png("red", "disc", 31_000))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "example"}
    for example in examples("python"):
        code = example.replace("http://127.0.0.1:5000", server).replace(
            'open("mug.png", "rb").read()', 'Path("mug.png").read_bytes()'
        )
        exec(compile(code, "docs/api.md", "exec"), names | {"Path": Path} if "Path" in code else names, names)
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert names["alike"]["num_results"] == 5
    assert names["both"]["num_results"] == 10
    assert [answer["num_results"] for answer in names["many"]["answers"]] == [3, 3]
    assert [item["title"] for item in names["page"]["items"]] == ["my red mug"]
    assert names["job"]["state"] == "done"
    assert "item_id" in names["table"]


@pytest.mark.parametrize("command", examples("bash"))
def test_shell_examples(server: str, command: str) -> None:
    said = subprocess.run(
        ["sh", "-c", command.replace("http://127.0.0.1:5000", server)], capture_output=True, text=True, timeout=60, check=True
    )
    assert '"error"' not in said.stdout
    assert '"query"' in said.stdout
