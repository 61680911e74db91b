"""The installed package: what it names, what the wheel holds, and the command `visual-search` in an environment of its own."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from crossmodal.installation import VERSION
from tests.app_parts import png
from tests.tiny import shared_model

PROJECT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
PIN = re.compile(r"^([A-Za-z0-9_.\-]+)==([^\s;]+)", re.MULTILINE)
WINDOWS = os.name == "nt"


def pins(name: str) -> dict[str, str]:
    """Package → exact version, of one requirements file."""
    return dict(PIN.findall((PROJECT / name).read_text(encoding="utf-8")))


def ranges(lines: list[str]) -> dict[str, Requirement]:
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


@pytest.mark.parametrize(("extra", "file"), [(None, "requirements.txt"), ("plots", "requirements-plots.txt")])
def test_the_ranges_admit_the_versions_that_are_tested(extra: str | None, file: str) -> None:
    project = PYPROJECT["project"]
    found = ranges(project["optional-dependencies"][extra] if extra else project["dependencies"])
    assert found.keys() == pins(file).keys()
    assert [name for name, version in pins(file).items() if version not in found[name].specifier] == []


def test_the_wheel_holds_everything_that_runs() -> None:
    """Every folder with Python files and every file of the top folder that is not for development only."""
    target = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    skipped = {"tests", "benchmarks", "scripts", "packaging", "build", "data", "dataset", "runs", "weights", "dist"}
    files = {path.name for path in PROJECT.glob("*.py")}
    folders = {path.parent.name for path in PROJECT.glob("[!.]*/__init__.py")} - skipped
    assert target["force-include"].keys() - {".streamlit/config.toml"} == files | folders
    assert all(target["force-include"][name] == f"visual_search/{name}" for name in target["force-include"])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, timeout=120)
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, a package `datasets` of somebody else, and behind them what the tests run with."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    place = {"base": str(folder), "platbase": str(folder), "installed_base": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=place))
    (site / "behind.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    (site / "datasets").mkdir()
    (site / "datasets" / "__init__.py").write_text("theirs = True\n", encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, timeout=120, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    return folder


class Installed:
    """Runs commands of the environment in a folder that has nothing to do with the program."""

    def __init__(self, environment: Path, folder: Path) -> None:
        self.bin = environment / ("Scripts" if WINDOWS else "bin")
        self.home = folder / "home"
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith("CROSSMODAL_")}
        self.variables |= {"OMP_NUM_THREADS": "1", "CROSSMODAL_DECODE_WORKERS": "1", "CROSSMODAL_DEMO_ITEMS": "100"}
        self.variables |= {"HOME": str(self.home), "XDG_DATA_HOME": str(self.home / "share"), "CROSSMODAL_DOWNLOAD_WEIGHTS": "0"}
        self.variables.pop("PYTHONPATH", None)

    @property
    def place(self) -> Path:
        """Where this platform keeps the data of the program."""
        code = "import platformdirs; print(platformdirs.user_data_path('visual-search', appauthor=False))"
        return Path(self("python", "-c", code).strip())

    def __call__(self, *command: object, code: int = 0) -> str:
        words = [str(self.bin / str(command[0])), *map(str, command[1:])]
        ended = subprocess.run(words, cwd=self.elsewhere, env=self.variables, capture_output=True, text=True, timeout=240)
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout


@pytest.fixture
def installed(environment: Path, tmp_path: Path) -> Installed:
    return Installed(environment, tmp_path)


@pytest.mark.slow
def test_nothing_is_installed_beside_the_package(wheel: Path, installed: Installed) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert tops == {"visual_search", f"crossmodal_visual_search-{VERSION}.dist-info"}
    assert installed("python", "-c", "import datasets; print(datasets.theirs)").strip() == "True"


@pytest.mark.slow
def test_the_command_says_its_version(installed: Installed) -> None:
    assert installed("visual-search", "--version").strip() == f"visual-search {VERSION}"


@pytest.mark.slow
@pytest.mark.skipif(WINDOWS, reason="the folder of data is chosen by variables of POSIX systems")
def test_the_command_indexes_and_searches_from_another_folder(installed: Installed) -> None:
    """The decoding processes, the model and the store of an installed program; the data lie where this platform wants them."""
    installed.place.mkdir(parents=True)
    shared_model().save(installed.place / "trained_model.pth")
    pictures = installed.elsewhere / "pictures"
    pictures.mkdir()
    for colour in ("red", "blue"):
        (pictures / f"{colour}.png").write_bytes(png(colour, "disc", 1))
    # Files of these names in the folder where somebody works are not the program's.
    for name in ("config.py", "datasets.py", "streamlit.py"):
        (installed.elsewhere / name).write_text("raise RuntimeError('the wrong file')\n", encoding="utf-8")
    installed("visual-search", "index", pictures)
    found = json.loads(installed("visual-search", "search", pictures / "red.png", "--json"))
    assert [Path(result["source"]).name for result in found["results"]] == ["blue.png"]  # not the very picture
    assert (installed.place / "data" / "catalog.sqlite3").is_file()
    assert len(installed("visual-search", "list", "--data-dir", installed.place / "data").splitlines()) == 2
    installed("visual-search", "--data-dir", "nowhere", "list", code=5)


@pytest.mark.slow
@pytest.mark.skipif(WINDOWS, reason="the folder of data is chosen by variables of POSIX systems")
def test_the_command_alone_shows_the_page(installed: Installed) -> None:
    """Streamlit finds the program's modules and its settings file from the installed place."""
    installed.place.mkdir(parents=True)
    shared_model().save(installed.place / "trained_model.pth")
    folder = installed.elsewhere / "shown"
    variables = {**installed.variables, "STREAMLIT_SERVER_PORT": "0", "STREAMLIT_SERVER_HEADLESS": "true", "PYTHONUNBUFFERED": "1"}
    command = [str(installed.bin / "visual-search"), "--data-dir", str(folder)]
    told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=installed.elsewhere, env=variables, **told) as process:
        try:
            address = next(match[0] for line in process.stdout if (match := re.search(r"127\.0\.0\.1:[1-9]\d*", line)))
            with urllib.request.urlopen(f"http://{address}/_stcore/health", timeout=30) as answer:
                assert answer.read() == b"ok"
        finally:
            process.terminate()
            process.communicate(timeout=60)
