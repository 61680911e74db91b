"""Model files: the active model under its own name, all others under their ids; written atomically."""

import shutil
from pathlib import Path

from crossmodal.atomic import atomic_path, put_in_place, temporary_path
from crossmodal.store import Store
from engine.info import ModelGeneration, model_name
from engine.models.loading import load_model
from engine.models.trained import TrainedModel


class ModelFiles:
    """The model files of one collection.

    Args:
        folder: folder of models by id; created when needed.
        in_use: the file of the active model.
    """

    def __init__(self, folder: Path, in_use: Path) -> None:
        self._folder = folder
        self._in_use = in_use

    def path_of(self, model_id: str) -> Path:
        """Path of a model's file by id, whether it exists or not."""
        return self._folder / f"{model_id}.pth"

    def listed(self) -> dict[str, Path]:
        """The existing model files by id."""
        return {path.stem: path for path in sorted(self._folder.glob("*.pth"))}

    def import_file(self, path: Path) -> TrainedModel:
        """Copy a model file here and load it.

        Raises:
            CheckpointError: the file is missing, damaged or of another network. StoreError: `disk_full`, `read_only`.
        """
        if path.parent == self._folder:
            return load_model(path)
        with temporary_path(self._folder) as draft:
            try:
                shutil.copyfile(path, draft)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError, shutil.SpecialFileError):
                load_model(path)  # raises, and says what is wrong with the file
                raise
            model = load_model(draft)  # load the copy, since the original may change
            put_in_place(draft, self.path_of(model.model_id))
        return model

    def keep(self, model: TrainedModel) -> TrainedModel:
        """Write a model here; returns it with the id of the written file.

        Raises:
            CheckpointError: a weight is not finite. StoreError: `disk_full`, `read_only`.
        """
        with temporary_path(self._folder) as draft:
            saved = model.save(draft)
            put_in_place(draft, self.path_of(saved.model_id))
        return saved

    def put_into_use(self, model_id: str) -> None:
        """Replace the active model's file by this one, atomically. Raises StoreError `disk_full`, `read_only`, `index_missing`."""
        with atomic_path(self._in_use) as draft:
            shutil.copyfile(self.path_of(model_id), draft)

    def drop(self, model_id: str) -> None:
        """Delete the file of a model, if it exists."""
        self.path_of(model_id).unlink(missing_ok=True)


def name_key(model_id: str) -> str:
    """The store's key for the display name of a model."""
    return f"name of model {model_id}"


def name_of(store: Store, model_id: str) -> str:
    """The display name of a model; the start of its id if none is stored."""
    return store.meta.get(name_key(model_id)) or model_id[:12]


def known_models(store: Store | None, files: ModelFiles, *, active: TrainedModel | None, model_path: Path) -> list[ModelGeneration]:
    """All models with embeddings or a file, the active one first.

    Args:
        store: None if there is no collection.
        active: the active model; None if there is no usable one.
        model_path: its file.
    """
    first = active.model_id if active is not None else ""
    names = {first: model_name(active)} if active is not None else {}
    embedded, listed = store.models.counts() if store is not None else {}, files.listed()
    return [
        ModelGeneration(
            model_id=model_id,
            name=names.get(model_id) or (name_of(store, model_id) if store is not None else model_id[:12]),
            items_embedded=embedded.get(model_id, 0),
            active=model_id == first,
            path=model_path if model_id == first else listed.get(model_id),
        )
        for model_id in dict.fromkeys([*names, *embedded, *listed])
    ]
