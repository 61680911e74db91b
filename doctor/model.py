"""Checks of the model: can it be loaded, does it match the collection's embeddings, and is its tokenizer stable across processes?"""

import os
import subprocess
import sys

import numpy as np

from crossmodal.errors import CheckpointError, CheckpointMissing, CrossmodalError, StoreError
from crossmodal.installation import COMMAND
from crossmodal.items import Item
from doctor.finding import REPAIR, RESTORE_PROGRAM, Finding, Subject
from engine.models.loading import load_model

AGREE = 0.98
"""Two encodings of one picture by one model agree up to rounding; a cosine below this means another model or picture."""
_SAMPLED = 8
_SHARE_WRONG = 0.5
_PROBE_S = 120.0
PROBE = """
import hashlib, sys
from pathlib import Path
import numpy as np
from engine.models.loading import load_model
rows = load_model(Path(sys.argv[1])).encode_texts(["a red striped mug", "blauer Schuh", "Ω 42"])
print(hashlib.sha256(np.round(rows.astype(np.float64), 4).tobytes()).hexdigest())
"""


def check_model(subject: Subject) -> list[Finding]:
    """Load the model; later checks need it."""
    path = subject.place.model_path
    try:
        subject.model = load_model(path)
    except CheckpointMissing:
        if not subject.place.store_path.exists():
            return [Finding("no_model", f"There is no model at {path} yet.", f"{COMMAND} index", fault=False)]
        return [Finding("model_missing", f"There is no model at {path}, but the collection has embeddings of one.", REPAIR)]
    except CheckpointError as error:
        return [Finding("model_refused", error.message, REPAIR)]
    except StoreError as error:
        if error.code != "weights_missing":
            raise
        return [Finding("weights_missing", error.message, error.remedy.rpartition(": ")[2])]
    return []


def check_coverage(subject: Subject) -> list[Finding]:
    """Check that every item has an embedding of this model; after the file was replaced by hand, they are missing."""
    if subject.store is None or subject.model is None:
        return []
    total, models = subject.store.items.count(), subject.store.models.counts()
    covered = models.get(subject.model.model_id, 0)
    if covered >= total:
        return []
    others = [f"{model_id[:12]} ({count:,})" for model_id, count in models.items() if model_id != subject.model.model_id]
    by = f", of other models: {', '.join(others)}" if others else ""
    what = f"{total - covered:,} of {total:,} items have no embedding of the active model, {subject.model.model_id[:12]}{by}."
    return [Finding("model_changed", what, REPAIR)]


def check_agreement(subject: Subject) -> list[Finding]:
    """Re-encode some stored pictures and compare with their stored embeddings."""
    if subject.store is None or subject.model is None:
        return []
    pairs = [pair for item in _sample(subject) if (pair := _both(subject, item)) is not None]
    wrong = [item_id for item_id, cosine in pairs if not cosine >= AGREE]
    if len(wrong) <= _SHARE_WRONG * len(pairs):
        return []
    what = f"{len(wrong)} of {len(pairs)} embeddings that were checked do not match their pictures."
    return [Finding("embeddings_wrong", what, REPAIR)]


def check_tokenizer(subject: Subject, probe: str = PROBE) -> list[Finding]:
    """Encode texts in two processes with different hash seeds: a tokenizer that depends on Python's `hash()` gives different results."""
    if subject.model is None:
        return []
    command = [sys.executable, "-c", probe, str(subject.place.model_path)]
    processes = [
        subprocess.Popen(
            command,
            cwd=subject.place.project,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(subject.place.project)},
        )
        for seed in ("1", "2")
    ]
    answers = []
    for process in processes:
        try:
            answers.append(process.communicate(timeout=_PROBE_S)[0].strip())
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            answers.append("")
    if all(answers) and answers[0] == answers[1]:
        return []
    if not all(answers):
        return [Finding("tokenizer_unstable", "The model could not be run in a separate process.", f"{COMMAND} doctor --verbose")]
    what = "The same words have a different embedding in every process: the tokenizer is unstable, so the model is useless after a restart."
    return [Finding("tokenizer_unstable", what, RESTORE_PROGRAM)]


def _sample(subject: Subject) -> list[Item]:
    assert subject.store is not None
    first = subject.store.items.page(_SAMPLED // 2)
    last = subject.store.items.page(_SAMPLED // 2, newest_first=True)
    return list({item.item_id: item for item in (*first, *last)}.values())


def _both(subject: Subject, item: Item) -> tuple[int, float] | None:
    """Item id and cosine of stored and fresh embedding; None if one of them is unavailable, which other checks report."""
    assert subject.store is not None
    assert subject.model is not None
    try:
        stored = subject.store.embeddings.get(item.item_id, subject.model.model_id)
        rendition = subject.store.pictures.rendition(item.item_id)
        pixels = subject.decoder.decode(rendition, square_px=subject.model.spec.image_size_px, fit=subject.model.spec.fit).pixels
    except CrossmodalError:
        return None
    fresh = subject.model.encode_items(pixels[np.newaxis], [item.title])[0]
    return item.item_id, float(np.dot(stored, fresh))
