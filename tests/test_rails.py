"""What no file of the product may contain, whatever it is for: checked in the syntax tree, so that no wording hides it.

A rail looks at one file and yields a complaint for each thing it finds. Samples prove that every rail sees what it is for.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from tests.source_files import PROJECT, source_files

FETCHING = {f"crossmodal.images.{name}" for name in ("fetch", "public_address")}
DECODING = {"crossmodal.images.decode"}
CHILD_PROCESSES = {"crossmodal.images.decoder", "doctor.model"}
HUB = {"crossmodal.hub.remote"}  # of the weights' hub; what arrives is compared with a hash
WEIGHT_LOADERS = {"crossmodal.backbones.download"}  # asks torchvision's server; what arrives is compared with a hash
NETWORK = {"aiohttp", "asyncio", "ftplib", "http.client", "httpx", "httpx2", "imaplib", "poplib", "requests", "requests_hardened"}
NETWORK |= {"smtplib", "socketserver", "ssl", "telnetlib", "urllib.request", "urllib3", "websockets", "xmlrpc"}
SERIALISERS = {"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle", "dbm"}
CODE_RUNNERS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "system",
    "popen",
    "execv",
    "execve",
    "execvp",
    "spawnl",
    "spawnv",
    "getoutput",
}
TABLE_READERS = {"read_csv", "read_table", "read_pickle", "read_excel", "read_html", "read_xml", "read_json", "read_parquet"}
LAX_LOADERS = {"add_safe_globals", "load_state_dict_from_url", "download_url_to_file", "mktemp"}


@dataclass(frozen=True)
class File:
    """A source file: its dotted name, its text, and its syntax tree."""

    module: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def calls_by_name(self) -> dict[str, list[ast.Call]]:
        """Calls by the last part of what they call."""
        found: dict[str, list[ast.Call]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Call):
                found.setdefault(dotted(node.func).rpartition(".")[2], []).append(node)
        return found

    @cached_property
    def lines(self) -> list[str]:
        return self.source.splitlines()

    @cached_property
    def constants(self) -> set[str]:
        """Names bound once, at the top of the file, to a plain string."""
        bound = [node for node in self.tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)]
        names = [target.id for node in bound for target in node.targets if isinstance(target, ast.Name)]
        written = [node.id for node in self.nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
        return {name for name in names if written.count(name) == 1}

    def calls(self, *names: str) -> Iterator[ast.Call]:
        """Calls of a function or method with one of these names."""
        for name in dict.fromkeys(names):
            yield from self.calls_by_name.get(name, [])

    def imported(self) -> Iterator[tuple[int, str]]:
        """Line and dotted name of every import, `from a import b` as both `a` and `a.b`."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.lineno, str(node.module)
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or attribute; what stands before the last attribute may be anything."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "?"


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((argument.value for argument in call.keywords if argument.arg == name), None)


def is_literally(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def network(file: File) -> Iterator[str]:
    """The network is asked in the fetch files only; the API waits on an event loop and sees to its own connections, and the
    shell is answered through a file of this computer."""
    if file.module in FETCHING | HUB or file.module in {"api.server", "api.mount"}:
        return
    if file.module in {"api.client", "api.local"}:
        yield from not_of_this_computer(file)
        return
    for line, name in file.imported():
        if name.startswith("asyncio") and file.module.startswith("api."):
            continue
        if name in NETWORK or any(name.startswith(f"{part}.") for part in NETWORK):
            yield f"{line}: imports {name}"
    for node in file.nodes:
        if isinstance(node, ast.Attribute) and dotted(node.value) == "socket":
            yield f"{node.lineno}: uses socket.{node.attr}"
    for line, name in file.imported():
        if name.startswith("socket."):
            yield f"{line}: imports {name}"


def not_of_this_computer(file: File) -> Iterator[str]:
    """Connections that lead anywhere but to a path or a port of this computer."""
    for call in file.calls("socket", "create_connection", "create_server", "socketpair", "fromfd", "HTTPConnection", "__init__"):
        first = call.args[0] if call.args else None
        host = first.elts[0] if isinstance(first, ast.Tuple) and first.elts else first
        here = isinstance(host, ast.Constant) and host.value == "127.0.0.1"
        if not here and (dotted(call.func) != "socket.socket" or first is None or dotted(first) != "socket.AF_UNIX"):
            yield f"{call.lineno}: connects to more than this computer"
    for line, name in file.imported():
        if name in NETWORK - {"http.client"}:
            yield f"{line}: imports {name}"


def opened_pictures(file: File) -> Iterator[str]:
    """Hostile bytes meet the decoder in one file."""
    if file.module in DECODING:
        return
    for call in file.calls("open"):
        if dotted(call.func) in {"Image.open", "PIL.Image.open"}:
            yield f"{call.lineno}: opens a picture"
    for line, name in file.imported():
        if name in {"PIL.Image.open", "torchvision.io", "cv2", "imageio"} or name.startswith("torchvision.io."):
            yield f"{line}: imports {name}"


def loaded_models(file: File) -> Iterator[str]:
    """Whoever reads tensors says that it wants nothing else, in so many words."""
    for call in file.calls("load", "get_state_dict", *LAX_LOADERS):
        name = dotted(call.func)
        is_torch = name == "torch.load" or name.endswith(".get_state_dict")
        if is_torch and not is_literally(keyword(call, "weights_only"), True):
            yield f"{call.lineno}: {name} without weights_only=True"
        if name in {"np.load", "numpy.load"} and not is_literally(keyword(call, "allow_pickle"), False):
            yield f"{call.lineno}: {name} without allow_pickle=False"
        lax = name.rpartition(".")[2] in LAX_LOADERS and file.module not in WEIGHT_LOADERS
        if lax or name in {"torch.jit.load", "torch.package.load", "torch.hub.load"}:
            yield f"{call.lineno}: {name}"
    for line, name in file.imported():
        if name in {"torch.load", "numpy.load", "torch.jit", "torch.package"}:
            yield f"{line}: imports {name}, so that a call cannot be told"


def serialisers(file: File) -> Iterator[str]:
    """No format that can hold code."""
    for line, name in file.imported():
        if name.split(".")[0] in SERIALISERS:
            yield f"{line}: imports {name}"


def page_code(file: File) -> Iterator[str]:
    """HTML and scripts on a page are constants; data is never among them, and a picture is never an address or a path."""

    def is_constant(node: ast.expr) -> bool:
        plain = isinstance(node, ast.Constant) and isinstance(node.value, str)
        return plain or (isinstance(node, ast.Name) and node.id in file.constants)

    for node in file.nodes:
        if (
            isinstance(node, ast.keyword)
            and node.arg in {"unsafe_allow_html", "unsafe_allow_javascript"}
            and not is_literally(node.value, False)
        ):
            yield f"{node.value.lineno}: {node.arg}"
    for call in file.calls("html", "iframe"):
        if dotted(call.func).startswith(("st.", "streamlit.")) and not all(map(is_constant, call.args)):
            yield f"{call.lineno}: HTML that is no constant"
    for call in file.calls("component"):
        scripts = [keyword(call, name) for name in ("html", "css", "js")]
        if not all(is_constant(script) for script in scripts if script is not None):
            yield f"{call.lineno}: a component whose code is no constant"
    for call in file.calls("image"):
        if call.args and (isinstance(call.args[0], ast.JoinedStr) or is_constant(call.args[0])):
            yield f"{call.lineno}: a picture by path or address"


def run_code(file: File) -> Iterator[str]:
    """Nothing that was read becomes code or a command."""
    for call in file.calls(*CODE_RUNNERS):
        name = dotted(call.func)
        if name in CODE_RUNNERS or name.startswith(("os.", "builtins.", "subprocess.", "pty.")):
            yield f"{call.lineno}: {name}"
    for node in file.nodes:
        if isinstance(node, ast.keyword) and node.arg == "shell" and not is_literally(node.value, False):
            yield f"{node.value.lineno}: shell"
    for line, name in file.imported():
        if name.split(".")[0] == "subprocess" and file.module not in CHILD_PROCESSES:
            yield f"{line}: imports {name}"


def swallowed_errors(file: File) -> Iterator[str]:
    """A handler that is broad or does nothing gives its reason, or raises."""
    for node in file.nodes:
        if isinstance(node, ast.ExceptHandler):
            named = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            broad = any(kind is None or dotted(kind) in {"Exception", "BaseException"} for kind in named)
            silent = all(
                isinstance(line, ast.Pass | ast.Continue) or is_literally(getattr(line, "value", None), ...) for line in node.body
            )
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            reason = any(has_reason(file.lines[number - 1]) for number in range(node.lineno, node.body[0].lineno + 1))
            if (silent or (broad and not raises)) and not reason:
                yield f"{node.lineno}: swallows errors without a reason"
    for call in file.calls("suppress"):
        if any(dotted(kind) in {"Exception", "BaseException"} for kind in call.args):
            yield f"{call.lineno}: suppresses everything"


def has_reason(line: str) -> bool:
    """Whether a comment says more than that a linter should be quiet."""
    words = line.partition("#")[2].split()
    return len([word for word in words if word.isalpha()]) >= 3


def tables_by_path(file: File) -> Iterator[str]:
    """Catalogues are read by our own reader, row by row, from a file that was opened with care."""
    for call in file.calls(*TABLE_READERS):
        yield f"{call.lineno}: {dotted(call.func)}"


RAILS: tuple[Callable[[File], Iterator[str]], ...] = (
    network,
    opened_pictures,
    loaded_models,
    serialisers,
    page_code,
    run_code,
    swallowed_errors,
    tables_by_path,
)


def product_files() -> dict[str, Path]:
    """Module → path."""
    found = {".".join(path.relative_to(PROJECT).with_suffix("").parts): path for path in source_files()}
    return {module: path for module, path in found.items() if module.split(".")[0] not in {"tests", "benchmarks"}}


@pytest.mark.parametrize(("module", "path"), product_files().items(), ids=product_files())
def test_file_stays_inside_the_rails(module: str, path: Path) -> None:
    file = File(module, path.read_text(encoding="utf-8"))
    assert {rail.__name__: found for rail in RAILS if (found := list(rail(file)))} == {}


def test_there_are_files() -> None:
    assert {"app", "crossmodal.images.fetch", "crossmodal.training.checkpoints"} <= product_files().keys()


CAUGHT = {
    network: [
        "import requests",
        "import urllib.request",
        "from urllib.request import urlopen",
        "from urllib import request",
        "import http.client as h",
        "from http import client",
        "def f():\n    import httpx",
        "import socket\nsocket.create_connection(('a', 80))",
        "from socket import create_connection",
        "import asyncio",
    ],
    opened_pictures: [
        "from PIL import Image\nImage.open(path)",
        "import PIL.Image\nPIL.Image.open(path)",
        "from PIL.Image import open as look",
        "from torchvision.io import read_image",
    ],
    loaded_models: [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=trusted)",
        "torch.load(path, **{'weights_only': True})",
        "from torch import load",
        "source.get_state_dict(progress=False)",
        "torch.jit.load(path)",
        "torch.serialization.add_safe_globals([X])",
        "np.load(path)",
        "from numpy import load",
    ],
    serialisers: [
        "import pickle",
        "from pickle import loads",
        "import marshal",
        "import shelve",
        "import dill",
        "def f():\n    import joblib",
    ],
    page_code: [
        "st.markdown(x, unsafe_allow_html=True)",
        "st.markdown('x', unsafe_allow_html=flag)",
        "st.html(x)",
        "st.html(f'<b>{x}</b>')",
        "A = 'a'\nA = x\nst.html(A)",
        "A = 'a'\ndef f():\n    A = g()\n    st.html(A)",
        "st.components.v1.html(x)",
        "st.components.v2.component('x', js=script)",
        "st.components.v2.component('x', html='a' + b)",
        "st.image('http://x')",
        "column.image(f'{folder}/x.png')",
    ],
    run_code: [
        "eval(x)",
        "exec(x)",
        "os.system(x)",
        "os.popen(x)",
        "__import__(x)",
        "Popen(x, shell=True)",
        "run(x, shell=flag)",
        "import subprocess",
        "from subprocess import run",
    ],
    swallowed_errors: [
        "try:\n    x()\nexcept:\n    pass",
        "try:\n    x()\nexcept ValueError:\n    pass",
        "for a in b:\n    try:\n        x()\n    except ValueError:\n        continue",
        "try:\n    x()\nexcept ValueError:\n    ...",
        "try:\n    x()\nexcept Exception:\n    y()",
        "try:\n    x()\nexcept (OSError, Exception):\n    y()",
        "try:\n    x()\nexcept Exception:  # noqa: BLE001\n    y()",
        "with suppress(Exception):\n    x()",
    ],
    tables_by_path: ["pd.read_csv('a.csv')", "pandas.read_csv(path, dtype=str)", "pd.read_pickle(x)"],
}
PASSED = {
    network: ["from urllib.parse import urlsplit", "from http import HTTPStatus"],
    opened_pictures: ["from PIL import Image\nImage.new('RGB', (1, 1))", "path.open('rb')", "open(path)"],
    loaded_models: ["torch.load(path, weights_only=True)", "json.load(file)", "source.get_state_dict(weights_only=True)"],
    serialisers: ["import json"],
    page_code: [
        "st.html('<b>x</b>')",
        "A = 'a'\nst.html(A)",
        "st.image(app.thumbnail(3), alt='x')",
        "A = 'a'\nst.components.v2.component('x', js=A)",
        "st.markdown(x, unsafe_allow_html=False)",
    ],
    run_code: ["model.eval()", "re.compile('x')", "platform.system()", "Popen(x, shell=False)"],
    swallowed_errors: [
        "try:\n    x()\nexcept Exception as error:\n    raise Ours() from error",
        "try:\n    x()\nexcept Exception:  # a job has no caller to raise to\n    log.exception('x')",
        "try:\n    x()\nexcept KeyError:\n    y = None",
        "with suppress(FileNotFoundError):\n    x()",
    ],
    tables_by_path: ["csv.reader(file)"],
}


def samples(table: dict[Callable[[File], Iterator[str]], list[str]]) -> list[object]:
    return [pytest.param(rail, source, id=f"{rail.__name__}: {source!r}") for rail, sources in table.items() for source in sources]


@pytest.mark.parametrize(("rail", "source"), samples(CAUGHT))
def test_the_rail_catches(rail: Callable[[File], Iterator[str]], source: str) -> None:
    assert list(rail(File("ui.sample", source)))


@pytest.mark.parametrize(("rail", "source"), samples(PASSED))
def test_the_rail_lets_pass(rail: Callable[[File], Iterator[str]], source: str) -> None:
    assert list(rail(File("ui.sample", source))) == []


def test_every_rail_has_samples() -> None:
    assert set(CAUGHT) == set(PASSED) == set(RAILS)
