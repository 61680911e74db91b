"""torchvision beside any torch: cured when it needs it, left alone when it does not, and another failure is not hidden."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
MISMATCH = "RuntimeError('operator torchvision::nms does not exist')"


def run(script: str, *, path: Path | None = None) -> str:
    """What a fresh process prints; `path` comes before every installed package."""
    found = os.pathsep.join(str(part) for part in (path, PROJECT) if part)
    environment = {**os.environ, "PYTHONPATH": found}
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert said.returncode == 0, said.stderr
    return said.stdout.strip()


def fake_torchvision(folder: Path, body: str) -> Path:
    """A torchvision of our making, found before the installed one."""
    (folder / "torchvision").mkdir(parents=True)
    (folder / "torchvision" / "__init__.py").write_text(textwrap.dedent(body))
    (folder / "torchvision" / "models.py").write_text("")
    return folder


def test_the_installed_torchvision_works_with_this_torch() -> None:
    said = run(
        """
        import torch
        from crossmodal.torchvision_compat import _declared, import_torchvision
        torchvision = import_torchvision()
        assert import_torchvision() is torchvision
        network = torchvision.models.resnet18(weights=None).eval()
        with torch.inference_mode():
            print(tuple(network(torch.rand(1, 3, 32, 32)).shape))
        try:
            torch.ops.torchvision.nms(torch.rand(1, 4), torch.rand(1), 0.5)
        except NotImplementedError:
            assert _declared, "a torchvision that loads by itself has its operators"
        """
    )
    assert said == "(1, 1000)"


def test_only_missing_operators_are_cured(tmp_path: Path) -> None:
    """In one process, one after another: broken in another way, healthy, and built for another torch."""
    fake_torchvision(tmp_path / "broken", "raise OSError('libpng16.so.16: cannot open shared object file')")
    fake_torchvision(tmp_path / "healthy", "marker = 'healthy'")
    fake_torchvision(
        tmp_path / "mismatch",
        f"""
        import torch
        from torchvision import models
        if not hasattr(torch.ops.torchvision, "nms"):
            raise {MISMATCH}
        marker = "cured"
        """,
    )
    said = run(
        f"""
        import sys
        from crossmodal.torchvision_compat import _declared, import_torchvision
        for kind in ("broken", "healthy", "mismatch"):
            sys.path.insert(0, {str(tmp_path)!r} + "/" + kind)
            for name in [name for name in sys.modules if name.startswith("torchvision")]:
                del sys.modules[name]
            try:
                found = import_torchvision()
                assert import_torchvision() is found is sys.modules["torchvision"]
                print(found.marker, len(_declared))
            except OSError as error:
                print(error, len(_declared))
        """
    )
    assert said.splitlines() == ["libpng16.so.16: cannot open shared object file 0", "healthy 0", "cured 1"]


def test_a_mismatch_that_the_cure_does_not_end_is_raised(tmp_path: Path) -> None:
    said = run(
        """
        from crossmodal.torchvision_compat import import_torchvision
        try:
            import_torchvision()
        except RuntimeError as error:
            print(error)
        """,
        path=fake_torchvision(tmp_path, f"raise {MISMATCH}"),
    )
    assert said == "operator torchvision::nms does not exist"


def test_the_compiler_is_loaded_when_it_is_asked_and_not_before() -> None:
    said = run(
        """
        import sys
        from crossmodal.torchvision_compat import import_torchvision
        torchvision = import_torchvision()
        print("torch._dynamo" in sys.modules, "torch._dynamo.utils" in sys.modules)
        supported = torchvision.ops.roi_align.__globals__["is_compile_supported"]("cpu")
        from torch._dynamo.utils import is_compile_supported
        print("torch._dynamo" in sys.modules, supported == is_compile_supported("cpu"))
        """
    )
    assert said.splitlines() == ["False False", "True True"]


def test_a_compiler_that_is_loaded_already_is_left_alone() -> None:
    said = run(
        """
        import torch._dynamo.utils as compiler
        import sys
        from crossmodal.torchvision_compat import import_torchvision
        torchvision = import_torchvision()
        print(sys.modules["torch._dynamo.utils"] is compiler)
        print(torchvision.ops.roi_align.__globals__["is_compile_supported"] is compiler.is_compile_supported)
        """
    )
    assert said.splitlines() == ["True", "True"]
