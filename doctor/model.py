"""The model: whether it can be used, whether the collection was embedded with it, and whether its words mean the same every day."""

import os
import subprocess
import sys

import numpy as np

from crossmodal.errors import CheckpointError, CrossmodalError
from crossmodal.items import Item
from doctor.finding import MEND, Finding, Subject
from engine.models.loading import load_model

AGREE = 0.98
"""Two encodings of one picture by one model agree to rounding; a cosine below this is not of this model or this picture."""
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
    """Load the model; what follows needs it."""
    path = subject.place.model_path
    if not path.exists():
        if not subject.place.store_path.exists():
            return [Finding("no_model", f"There is no model at {path} yet.", "python cli.py index", fault=False)]
        return [Finding("model_missing", f"There is no model at {path}; the collection has one's embeddings.", MEND)]
    try:
        subject.model = load_model(path)
    except CheckpointError as error:
        return [Finding("model_refused", error.message, MEND)]
    return []


def check_coverage(subject: Subject) -> list[Finding]:
    """Whether every item has an embedding of this model: a file that was exchanged by hand leaves the collection behind."""
    if subject.store is None or subject.model is None:
        return []
    total, models = subject.store.items.count(), subject.store.models.counts()
    covered = models.get(subject.model.model_id, 0)
    if covered >= total:
        return []
    others = [f"{model_id[:12]} ({count:,})" for model_id, count in models.items() if model_id != subject.model.model_id]
    by = f", of other models: {', '.join(others)}" if others else ""
    what = f"{total - covered:,} of {total:,} items have no embedding of the model in use, {subject.model.model_id[:12]}{by}."
    return [Finding("model_changed", what, MEND)]


def check_agreement(subject: Subject) -> list[Finding]:
    """Some stored pictures, encoded again, against their stored embeddings."""
    if subject.store is None or subject.model is None:
        return []
    pairs = [pair for item in _sample(subject) if (pair := _both(subject, item)) is not None]
    wrong = [item_id for item_id, cosine in pairs if not cosine >= AGREE]
    if len(wrong) <= _SHARE_WRONG * len(pairs):
        return []
    what = f"{len(wrong)} of {len(pairs)} embeddings that were looked at are not what the model makes of their pictures."
    return [Finding("embeddings_wrong", what, MEND)]


def check_tokenizer(subject: Subject, probe: str = PROBE) -> list[Finding]:
    """Texts embedded in two processes of different hash seeds: a tokenizer that leans on Python's `hash()` differs."""
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
        return [
            Finding("tokenizer_unstable", "The model could not be asked in a process of its own.", "python cli.py doctor --verbose")
        ]
    what = (
        "The same words have another embedding in every process: the tokenizer is not stable, and a restart makes the model forget."
    )
    return [Finding("tokenizer_unstable", what, "git checkout -- crossmodal/text/tokenizer.py encoders.py")]


def _sample(subject: Subject) -> list[Item]:
    assert subject.store is not None
    first = subject.store.items.page(_SAMPLED // 2)
    last = subject.store.items.page(_SAMPLED // 2, newest_first=True)
    return list({item.item_id: item for item in (*first, *last)}.values())


def _both(subject: Subject, item: Item) -> tuple[int, float] | None:
    """The cosine of the stored and the fresh embedding; None when one of them cannot be had, which other checks say."""
    assert subject.store is not None
    assert subject.model is not None
    try:
        stored = subject.store.embeddings.get(item.item_id, subject.model.model_id)
        rendition = subject.store.pictures.rendition(item.item_id)
        pixels = subject.decoder.decode(rendition, square_px=subject.model.spec.image_size_px).pixels
    except CrossmodalError:
        return None
    fresh = subject.model.encode_items(pixels[np.newaxis], [item.title])[0]
    return item.item_id, float(np.dot(stored, fresh))
