"""Every value in one table, read from the environment under one prefix."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from config import PROJECT_DIR, Settings, read_settings
from crossmodal.errors import QueryError
from engine.models.spec import SIZES


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env` of this computer and no variable of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CROSSMODAL_{name.upper()}", raising=False)


def test_defaults_lie_in_the_project() -> None:
    settings = Settings()
    assert settings.demo_csv_path == PROJECT_DIR / "dataset" / "amazon_products.csv"
    assert settings.model_path == PROJECT_DIR / "trained_model.pth"
    assert settings.index_path.name == "image_features.pt"
    assert settings.store_path.parent == settings.index_path.parent == PROJECT_DIR / "data"
    assert settings.fetch_allow == ()


def test_every_field_says_what_it_is_for() -> None:
    assert {name for name, field in Settings.model_fields.items() if not field.description} == set()


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CROSSMODAL_EMBED_DIM", "128")
    monkeypatch.setenv("CROSSMODAL_DATA_DIR", str(tmp_path / "d"))
    monkeypatch.setenv("CROSSMODAL_FETCH_ALLOW", "127.0.0.1:8000, intranet ,")
    monkeypatch.setenv("CROSSMODAL_IMAGE_WEIGHTS", "w.pth")
    monkeypatch.setenv("EMBED_DIM", "64")
    settings = Settings()
    assert settings.embed_dim == 128
    assert settings.store_path == tmp_path / "d" / "catalog.sqlite3"
    assert settings.fetch_allow == ("127.0.0.1:8000", "intranet")
    assert settings.image_weights == Path("w.pth")


def test_values_come_from_a_file_beside_the_start(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CROSSMODAL_SEED=7\nSOMETHING_ELSE=x\n")
    assert Settings().seed == 7


def test_the_environment_takes_precedence_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("CROSSMODAL_SEED=7\nCROSSMODAL_EMBED_DIM=128\nCROSSMODAL_PATIENCE\n")
    monkeypatch.setenv("crossmodal_seed", "8")
    settings = Settings()
    assert (settings.seed, settings.embed_dim, settings.patience) == (8, 128, 5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("embed_dim", "4"),
        ("vocab_size", "10"),
        ("vocab_size", "2000000"),
        ("learning_rate", "0"),
        ("decode_workers", "0"),
        ("seed", "-1"),
    ],
)
def test_impossible_values_are_refused_by_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"CROSSMODAL_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().seed = 3  # type: ignore[misc]


def test_every_model_that_can_be_trained_can_be_loaded() -> None:
    """The smallest and largest sizes the settings allow are ones that a saved model may have."""
    for name in ("embed_dim", "vocab_size", "max_text_tokens", "image_px", "pretrained_image_px"):
        limits = {type(limit).__name__: limit for limit in Settings.model_fields[name].metadata}
        least, most = SIZES.get(name, SIZES["image_size_px"])
        assert least <= limits["Ge"].ge
        assert limits["Le"].le <= most


def test_an_impossible_value_is_one_sentence_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_EMBED_DIM", "many")
    with pytest.raises(QueryError, match="The setting CROSSMODAL_EMBED_DIM cannot be 'many': ") as caught:
        read_settings()
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("CROSSMODAL_MAX_TOPK", "CROSSMODAL_MAX_TOP_K"),
        ("CROSSMODAL_CATALOG", "CROSSMODAL_CATALOGUE"),
        ("crossmodal_api_key", "CROSSMODAL_API_KEYS"),
        ("CROSSMODAL_", "CROSSMODAL_SEED"),
    ],
)
@pytest.mark.parametrize("in_file", [False, True], ids=["environment", ".env"])
def test_a_misspelt_name_is_an_error_that_names_the_nearest(
    name: str, nearest: str, in_file: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if in_file:
        (tmp_path / ".env").write_text(f"SOMETHING_ELSE=x\n{name}=5\n", encoding="utf-8")
    else:
        monkeypatch.setenv(name, "5")
    with pytest.raises(QueryError, match=f"There is no setting {name.upper()}. The nearest is {nearest}") as caught:
        Settings()
    assert caught.value.code == "bad_request"


def test_given_values_take_precedence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CROSSMODAL_DATA_DIR", str(tmp_path / "other"))
    assert read_settings(data_dir=tmp_path / "chosen").store_path.parent == tmp_path / "chosen"
