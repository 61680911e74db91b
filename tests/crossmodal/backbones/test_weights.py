"""Where weights are looked for, in which order, and what is said when there are none."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from crossmodal.backbones.registry import image_backbone
from crossmodal.backbones.weights import WeightsSource, fitted, local_file, local_folder, read_state
from crossmodal.errors import WeightsError
from tests.crossmodal.backbones.tiny_backbones import IMAGES, pictures, tiny_image
from tests.shared_data import SHARED, needs_shared

TINY = {name: IMAGES[name] for name in ("mobilenet_v2", "efficientnet_b0", "vit_b_16", "resnet18")}


def test_a_named_file_comes_first(tmp_path: Path) -> None:
    (tmp_path / "it.pth").touch()
    (tmp_path / "mine.bin").touch()
    assert local_file(WeightsSource(folder=tmp_path, file=tmp_path / "mine.bin"), "it") == tmp_path / "mine.bin"
    assert local_file(WeightsSource(folder=tmp_path), "it") == tmp_path / "it.pth"
    assert local_file(WeightsSource(folder=tmp_path), "other", "it") == tmp_path / "it.pth"
    assert local_file(WeightsSource(folder=tmp_path), "other") is None
    assert local_file(WeightsSource(), "it") is None
    with pytest.raises(WeightsError, match=r"weights file none\.pt does not exist"):
        local_file(WeightsSource(folder=tmp_path, file=tmp_path / "none.pt"), "it")


def test_a_folder_counts_when_it_holds_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "config.json").touch()
    assert local_folder(WeightsSource(folder=tmp_path), "empty", "whole") == tmp_path / "whole"
    assert local_folder(WeightsSource(folder=tmp_path), "empty") is None
    assert local_folder(WeightsSource(folder=tmp_path, file=tmp_path / "empty"), "whole") == tmp_path / "empty"
    assert local_folder(WeightsSource(), "whole") is None


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
@pytest.mark.parametrize("name", TINY)
def test_a_state_dict_in_the_weights_folder_is_found_by_name(tmp_path: Path, name: str, suffix: str) -> None:
    known = tiny_image(name).eval()
    state = {
        key.removeprefix("network."): value.half() if value.is_floating_point() else value
        for key, value in known.state_dict().items()
    }
    file = tmp_path / f"{name}{suffix}"
    save_file({key: value.contiguous() for key, value in state.items()}, file) if suffix == ".safetensors" else torch.save(
        state, file
    )
    found = image_backbone(name).load(WeightsSource(folder=tmp_path), TINY[name]).eval()
    assert found.origin == (True, f"Loaded from {file.name}.")
    with torch.inference_mode():
        ours, theirs = found(pictures()).values.flatten(1), known(pictures()).values.flatten(1)
    assert torch.cosine_similarity(ours, theirs).min() > 0.99


def test_a_file_as_its_server_calls_it_is_welcome(tmp_path: Path) -> None:
    torch.save(tiny_image("mobilenet_v2").network.state_dict(), tmp_path / "mobilenet_v2-b0353104.pth")  # type: ignore[union-attr, operator]
    assert image_backbone("mobilenet_v2").load(WeightsSource(folder=tmp_path), TINY["mobilenet_v2"]).origin.pretrained


BROKEN: dict[str, object] = {
    "a list": [1],
    "another network": {"conv1.weight": torch.zeros(3)},
    "numbers": {"features.0.0.weight": 3.0},
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "mobilenet_v2.pt")
    with pytest.raises(WeightsError, match=r"mobilenet_v2\.pt") as caught:
        image_backbone("mobilenet_v2").load(WeightsSource(folder=tmp_path, download=True), TINY["mobilenet_v2"])
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_no_code_and_no_rubbish_is_read(tmp_path: Path, suffix: str) -> None:
    import pickle

    for i, content in enumerate([b"", b"rubbish" * 100, pickle.dumps(print)]):
        file = tmp_path / f"{i}{suffix}"
        file.write_bytes(content)
        with pytest.raises(WeightsError, match="cannot be read"):
            read_state(file)


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        torch.zeros(3, 2),
        torch.full((2, 3), float("inf")),
        torch.zeros(2, 3, device="meta"),
        torch.zeros(2, 3).to_sparse(),
    ],
)
def test_only_what_fits_is_taken(value: object) -> None:
    wanted: dict[str, Tensor] = {"weight": torch.zeros(2, 3), "num_batches_tracked": torch.zeros((), dtype=torch.int64)}
    taken = fitted({"weight": torch.ones(2, 3).half(), "more": 3}, wanted, "it")
    assert {name: (tensor.dtype, tensor.sum().item()) for name, tensor in taken.items()} == {
        "weight": (torch.float32, 6.0),
        "num_batches_tracked": (torch.int64, 0),
    }
    with pytest.raises(ValueError, match="weight does not fit it"):
        fitted({"weight": value}, wanted, "it")


def test_a_place_is_named_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert WeightsSource(folder=tmp_path / "weights").place("x") == "weights/x"
    assert WeightsSource().place("x") == "weights/x"
    assert WeightsSource(folder=Path("/elsewhere")).place("x") == "/elsewhere/x"


@needs_shared("weights/mobilenet_v2_imagenet_fp16.pt")
def test_the_shared_mobilenet_expects_symmetric_pixels() -> None:
    source = WeightsSource(file=SHARED / "weights" / "mobilenet_v2_imagenet_fp16.pt")
    backbone = image_backbone("mobilenet_v2").load(source, {"scaling": "symmetric"})
    assert backbone.preprocessing.mean == backbone.preprocessing.std == (0.5, 0.5, 0.5)
    assert backbone.config()["mean"] == [0.5, 0.5, 0.5]
    assert backbone.origin.note == "Loaded from mobilenet_v2_imagenet_fp16.pt."
