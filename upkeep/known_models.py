"""Which models a collection knows: read from its store and its files; none is loaded for it."""

from pathlib import Path

from crossmodal.catalog import Catalog
from engine.app_info import ModelGeneration, model_name
from engine.trained_model import TrainedModel
from upkeep.model_files import ModelFiles


def name_key(model_id: str) -> str:
    """Where the store keeps what a person calls a model."""
    return f"name of model {model_id}"


def name_of(catalog: Catalog, model_id: str) -> str:
    """What a person calls a model; the beginning of its id where the store does not say."""
    return catalog.get_meta(name_key(model_id)) or model_id[:12]


def known_models(
    catalog: Catalog | None, files: ModelFiles, *, active: TrainedModel | None, model_path: Path
) -> list[ModelGeneration]:
    """Every model that has embeddings or a file, the one in use first.

    Args:
        catalog: None while there is no collection.
        active: the model in use; None while there is no usable one.
        model_path: where that one lies.
    """
    first = active.model_id if active is not None else ""
    names = {first: model_name(active)} if active is not None else {}
    embedded, listed = catalog.models() if catalog is not None else {}, files.listed()
    return [
        ModelGeneration(
            model_id=model_id,
            name=names.get(model_id) or (name_of(catalog, model_id) if catalog is not None else model_id[:12]),
            items_embedded=embedded.get(model_id, 0),
            active=model_id == first,
            path=model_path if model_id == first else listed.get(model_id),
        )
        for model_id in dict.fromkeys([*names, *embedded, *listed])
    ]
