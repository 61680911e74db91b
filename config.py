"""Every path, limit and hyper-parameter, in one typed table read once at the root.

Each value can be set by an environment variable named `CROSSMODAL_` plus its upper-case name (`CROSSMODAL_CATALOGUE=photos/`,
`CROSSMODAL_EMBED_DIM=128`) or by the same line in a file `.env`. Nothing else reads the environment; parts get their values handed in.
A name with the prefix that is no setting is an error, so that a misspelt one is not silently ignored.
"""

import difflib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from crossmodal.errors import QueryError
from crossmodal.installation import IS_CHECKOUT

PROJECT_DIR = Path(__file__).resolve().parent
if IS_CHECKOUT:
    HOME_DIR = PROJECT_DIR
else:
    from platformdirs import user_data_path

    HOME_DIR = user_data_path("visual-search", appauthor=False)
"""Where the data lie that no setting places elsewhere: the checkout, or this platform's folder for the data of programs."""

PREFIX = "CROSSMODAL_"
_CORRECT_IT = "Correct it in the environment or in .env."


class Settings(BaseModel):
    """Paths, limits and hyper-parameters. Units are in the names; every field says what it is for.

    Raises:
        QueryError: `bad_request`: the environment or `.env` names a setting that does not exist.
        ValidationError: a value is impossible; `read_settings` makes one sentence of it.
    """

    model_config = ConfigDict(frozen=True)

    # Where things lie
    data_dir: Path = Field(HOME_DIR / "data", description="the collection and its caches")
    dataset_dir: Path = Field(HOME_DIR / "dataset", description="the demo catalogue, or your own amazon_products.csv")
    model_path: Path = Field(HOME_DIR / "trained_model.pth", description="the trained model")
    catalogue: str = Field("", description="your own catalogue: a CSV or a folder; empty means the one in dataset/")
    image_weights: Path | None = Field(
        None, description="file of ImageNet ResNet18 weights (a state_dict), used before any download"
    )
    download_weights: bool = Field(True, description="try to download ImageNet weights when no file is named")
    download_timeout_s: float = Field(5.0, gt=0, description="how long to wait for the weights' server")

    weights_dir: Path = Field(HOME_DIR / "weights", description="pretrained weights and published models, by name")
    runs_dir: Path = Field(HOME_DIR / "runs", description="training runs, a folder each")

    # The demo catalogue
    demo_seed: int = Field(2026, ge=0, description="seed of the demo catalogue")
    demo_items: int = Field(720, ge=100, le=20_000, description="pictures in the demo catalogue")

    # The model
    first_model: Literal["everyday", "trained"] = Field(
        "everyday",
        description="model of a fresh start: everyday answers at once, and the demo's model is trained meanwhile; trained waits for that",
    )
    embed_dim: int = Field(256, ge=8, le=4096, description="length of an embedding")
    vocab_size: int = Field(
        16_384, ge=256, le=2**20, description="hash buckets of the tokenizer, words and character n-grams together"
    )
    image_px: int = Field(64, ge=32, le=512, description="side of a picture for the network, trained here from random weights")
    pretrained_image_px: int = Field(224, ge=64, le=512, description="the same when ImageNet weights were found")
    max_text_tokens: int = Field(32, ge=1, le=512, description="words of a text that are read")

    # Training
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="device of every training and of evaluate; auto takes a CUDA GPU where there is one, else the processor"
    )
    seed: int = Field(42, ge=0, description="seed of everything random in training")
    max_epochs: int = Field(24, ge=1, description="epochs at most")
    batch_size: int = Field(32, ge=2, description="pairs in a training batch")
    learning_rate: float = Field(2e-3, gt=0, description="peak learning rate")
    max_training_pictures: int = Field(20_000, ge=100, description="most pictures one training looks at")
    patience: int = Field(5, ge=1, description="epochs without a better validation recall before stopping")

    # Searching
    index_kind: str = Field("exact", description="kind of index, one of crossmodal/indexes/kinds.py")
    max_query_chars: int = Field(2_000, ge=1, description="longest text query")
    max_top_k: int = Field(1_000, ge=1, description="most results of one search")

    # Pictures
    max_image_bytes: int = Field(20 * 2**20, gt=0, description="largest picture file")
    max_image_pixels: int = Field(40_000_000, gt=0, description="largest picture, width x height")
    rendition_px: int = Field(512, ge=64, le=4096, description="long side of the stored picture")
    thumbnail_px: int = Field(256, ge=32, le=1024, description="long side of the stored thumbnail")
    decode_workers: int = Field(2, ge=1, le=16, description="decoding processes")
    decode_timeout_s: float = Field(8.0, gt=0, description="longest time for one picture")

    # The network
    fetch_timeout_s: float = Field(8.0, gt=0, description="longest time for one address, redirects included")
    fetch_allow: tuple[str, ...] = Field(
        (), description='"host:port" or "host" of your own network that may be asked besides public addresses'
    )

    # The API
    api_host: str = Field("127.0.0.1", description="address the API listens on; any but a loopback one needs api_keys")
    api_port: int = Field(5000, ge=0, le=65_535, description="its port; 0 takes a free one")
    api_keys: tuple[str, ...] = Field((), repr=False, description="keys, any one of which a request must carry")
    api_cors_origins: tuple[str, ...] = Field((), description="origins of web pages that may call the API")
    api_hosts: tuple[str, ...] = Field((), description="further names the API may be called by")
    api_trusted_proxies: tuple[str, ...] = Field((), description="proxies whose word on the client's address is taken")
    api_allow_paths: bool | None = Field(
        None, description="whether an import may name a folder of this computer; unset: only on loopback"
    )
    api_requests_per_minute: int | None = Field(
        None, ge=1, description="requests a minute of one client; unset: any number on loopback, 1,200 elsewhere"
    )
    api_max_concurrent: int = Field(64, ge=1, le=10_000, description="requests under way at once")
    api_max_body_bytes: int = Field(64 * 2**20, gt=0, description="largest body of a request")
    api_body_timeout_s: float = Field(30.0, gt=0, description="longest time for a body to arrive")
    api_request_timeout_s: float = Field(60.0, gt=0, description="longest time until an answer begins")
    api_docs: bool = Field(True, description="whether the API shows its documentation under /docs")

    # The app
    max_catalogue_rows: int = Field(1_000_000, ge=1, description="most rows of a catalogue")
    max_upload_files: int = Field(200, ge=1, description="most files of one upload")

    @field_validator("fetch_allow", "api_keys", "api_cors_origins", "api_hosts", "api_trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _with_environment(cls, given: dict[str, Any]) -> dict[str, Any]:
        return _environment(cls.model_fields) | given

    @property
    def store_path(self) -> Path:
        """The one durable store (SQLite)."""
        return self.data_dir / "catalog.sqlite3"

    @property
    def cache_dir(self) -> Path:
        """Decoded pictures and frozen features of training runs: may be deleted at any time."""
        return self.data_dir / "cache"

    @property
    def index_path(self) -> Path:
        """The persisted tensor of embeddings: a cache of the store."""
        return self.data_dir / "image_features.pt"

    @property
    def demo_csv_path(self) -> Path:
        """The demo catalogue, or the person's own `amazon_products.csv` in its place."""
        return self.dataset_dir / "amazon_products.csv"


def read_settings(**given: Any) -> Settings:
    """The settings of this installation.

    Args:
        given: values that take precedence over the environment and `.env`.

    Raises:
        QueryError: `bad_request`, a variable is misspelt or holds an impossible value: one sentence that names it.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = PREFIX + "_".join(map(str, first["loc"])).upper()
        what = f"The setting {name} cannot be {first['input']!r:.60}: {first['msg']}."
        raise QueryError("bad_request", what, remedy=_CORRECT_IT) from error


def _environment(fields: Collection[str]) -> dict[str, str]:
    """Values by field, from the environment and, where it has none, from `.env`. Raises QueryError `bad_request` for a misspelt name.

    Not by pydantic-settings: its import alone takes 0.1 to 0.2 s, of every command.
    """
    known = {PREFIX + field.upper(): field for field in fields}
    variables = _dotenv() | {name.upper(): value for name, value in os.environ.items()}
    given = {name: value for name, value in variables.items() if name.startswith(PREFIX)}
    for name in sorted(given.keys() - known.keys()):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0)
        raise QueryError("bad_request", f"There is no setting {name:.80}. The nearest is {near[0]}.", remedy=_CORRECT_IT)
    return {known[name]: value for name, value in given.items()}


def _dotenv() -> dict[str, str]:
    """The variables of the file `.env`."""
    if not Path(".env").is_file():
        return {}
    from dotenv import dotenv_values

    return {name.upper(): value for name, value in dotenv_values(".env").items() if value is not None}
