"""Where models lie: the one in use under its own name, every other under its id, each written in one step."""

import os
import shutil
import uuid
from pathlib import Path

from crossmodal import file_errors
from engine.model_loading import load_model
from engine.trained_model import TrainedModel


class ModelFiles:
    """The files of the models of one collection.

    Args:
        folder: where models lie under their ids; made when it is needed.
        in_use: the file of the model in use.
    """

    def __init__(self, folder: Path, in_use: Path) -> None:
        self._folder = folder
        self._in_use = in_use

    def path_of(self, model_id: str) -> Path:
        """Where a model lies under its id, or would."""
        return self._folder / f"{model_id}.pth"

    def listed(self) -> dict[str, Path]:
        """The models that lie here, by id."""
        return {path.stem: path for path in sorted(self._folder.glob("*.pth"))}

    def take_in(self, path: Path) -> TrainedModel:
        """Copy a model file here, and load it.

        Raises:
            CheckpointError: the file is missing, damaged or of another network. StoreError: `disk_full`, `read_only`.
        """
        if not path.is_file() or path.parent == self._folder:
            return load_model(path)
        draft = self._draft()
        try:
            _copy(path, draft)
            model = load_model(draft)  # what was copied, whatever becomes of the original
            draft.replace(self.path_of(model.model_id))
        except OSError as error:
            raise file_errors.of_os(error, self._folder) from error
        finally:
            draft.unlink(missing_ok=True)
        return model

    def keep(self, model: TrainedModel) -> TrainedModel:
        """Write a model here; the answer is the model under the id of what was written.

        Raises:
            CheckpointError: a weight is not finite. StoreError: `disk_full`, `read_only`.
        """
        draft = self._draft()
        try:
            saved = model.save(draft)
            draft.replace(self.path_of(saved.model_id))
        except OSError as error:
            raise file_errors.of_os(error, self._folder) from error
        finally:
            draft.unlink(missing_ok=True)
        return saved

    def put_into_use(self, model_id: str) -> None:
        """Let the file of the model in use be this one, in one step. Raises StoreError `disk_full`, `read_only`, `index_missing`."""
        draft = self._in_use.with_name(f"{self._in_use.name}.{uuid.uuid4().hex}.next")
        try:
            _copy(self.path_of(model_id), draft)
            draft.replace(self._in_use)
        except OSError as error:
            raise file_errors.of_os(error, self._in_use) from error
        finally:
            draft.unlink(missing_ok=True)

    def drop(self, model_id: str) -> None:
        """Delete the file of a model; none is fine."""
        self.path_of(model_id).unlink(missing_ok=True)

    def _draft(self) -> Path:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise file_errors.of_os(error, self._folder) from error
        return self._folder / f"{uuid.uuid4().hex}.draft"


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing, 2**20)
        writing.flush()
        os.fsync(writing.fileno())
