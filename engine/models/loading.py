"""Load a model from an untrusted file: the result is a valid model or one clear error."""

from pathlib import Path

import numpy as np
import torch

from crossmodal.backbones.clip import repository_of
from crossmodal.backbones.mapped import on_meta
from crossmodal.errors import CheckpointError, CrossmodalError, StoreError, WeightsError
from crossmodal.installation import COMMAND
from crossmodal.runtimes.torch import torch_threads
from crossmodal.store.checksums import UNIT_TOLERANCE
from crossmodal.text.tokenizer import TOKENIZER_VERSION
from crossmodal.training.checkpoints import check_state, load_checkpoint
from crossmodal.training.trainer import evaluating
from engine.models.spec import ITEM_EMBEDDINGS, SIZES, ModelSpec, card_of, spec_of
from engine.models.trained import TrainedModel, assemble, outside_state
from system import LostFoundSystem

_RETRAIN = "Delete the file to train a new model."


def load_model(path: Path) -> TrainedModel:
    """Load and fully verify the model in a file.

    Raises:
        CheckpointError: the file is missing, damaged, or of another network or tokenizer; the message says which.
        StoreError, MemoryError: it, or weights that lie in files of their own (`weights_missing`), could not be read; it may be valid.
    """
    checkpoint = load_checkpoint(path)
    try:
        spec = spec_of(checkpoint.details["spec"])
        card = card_of(checkpoint.details["card"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            "checkpoint_invalid", f"The model file {path.name} does not say how it was made.", remedy=_RETRAIN
        ) from error
    _check_spec(path, spec)
    try:
        # Shapes only: no weights are initialised or allocated for a network that may be refused.
        system: LostFoundSystem = on_meta(assemble, spec)
        state = {**checkpoint.state, **outside_state(system)}
    except WeightsError as error:  # not this file's fault: it stays in place
        remedy = error.remedy
        if spec.image.backbone.startswith("clip"):
            remedy = f"Put the folder back, or fetch its files again: {COMMAND} models get {repository_of(spec.image.backbone)}"
        raise StoreError("weights_missing", f"The model {path.name} has its weights elsewhere. {error}", remedy=remedy) from error
    except CrossmodalError as error:
        raise CheckpointError("checkpoint_invalid", f"The model file {path.name}: {error}", remedy=_RETRAIN) from error
    check_state(path, state, system.state_dict())
    system.load_state_dict(state, assign=True)
    system.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types leave it out
    model = TrainedModel(system, spec, card, model_id=checkpoint.model_id)
    _check_answers(path, model)
    return model


def _check_spec(path: Path, spec: ModelSpec) -> None:
    if spec.tokenizer_version != TOKENIZER_VERSION:
        raise CheckpointError(
            "checkpoint_invalid",
            f"The model file {path.name} uses tokenizer {spec.tokenizer_version!r:.60}; this program has {TOKENIZER_VERSION}.",
            remedy=_RETRAIN,
        )
    if not all(least <= getattr(spec, name) <= most for name, (least, most) in SIZES.items()):
        raise CheckpointError("checkpoint_invalid", f"The model file {path.name} declares invalid sizes: {spec}.", remedy=_RETRAIN)
    if spec.item_embedding not in ITEM_EMBEDDINGS:
        raise CheckpointError(
            "checkpoint_invalid",
            f"The model file {path.name} uses the item embedding {spec.item_embedding!r:.40}; known are {', '.join(ITEM_EMBEDDINGS)}.",
            remedy=_RETRAIN,
        )


def _check_answers(path: Path, model: TrainedModel) -> None:
    """Encode one text and one picture, since weights that are individually valid may still not work together."""
    grey = np.full((1, model.spec.image_size_px, model.spec.image_size_px, 3), 128, np.uint8)
    with torch_threads(1), evaluating(model.system):
        seen = model.system.encode_image(model.system.image_encoder.inputs(grey)).numpy()
    lengths = np.linalg.norm(np.concatenate([model.encode_texts(["a red mug"]), seen]), axis=1)
    if not np.allclose(lengths, 1.0, atol=UNIT_TOLERANCE):
        raise CheckpointError(
            "checkpoint_invalid", f"The model file {path.name} gives embeddings that are not unit vectors.", remedy=_RETRAIN
        )
