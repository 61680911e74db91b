"""Every hostile text on its way from the box to an embedding: the outcome, the cost, and a vector that can be searched with."""

import numpy as np
import pytest
import torch

from config import Settings
from crossmodal.text.cleaning import clean_query, display_text
from crossmodal.text.tokenizer import PADDING, HashingTokenizer
from encoders import TextEncoder, TowerSpec
from tests.hostile.conftest import Corpus, Entry
from tests.hostile.memory import CAN_RESET, peak_mb, reset_peak
from tests.hostile.outcomes import Outcome, outcome_of

MAX_CHARS = Settings.model_fields["max_query_chars"].default
MAX_TOKENS = Settings.model_fields["max_text_tokens"].default
DIM = 32

Verdicts = list[tuple[Entry, Outcome]]


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(DIM, vocab_size=512, max_tokens=MAX_TOKENS, spec=TowerSpec("gru", {"width": 16}, pooling="max")).eval()


def embedded(encoder: TextEncoder, text: str) -> np.ndarray:
    with torch.inference_mode():
        return encoder([clean_query(text, max_chars=MAX_CHARS)]).numpy()[0]


@pytest.fixture(scope="module")
def verdicts(hostile_corpus: Corpus, encoder: TextEncoder) -> Verdicts:
    embedded(encoder, "red mug")
    found = []
    for entry in hostile_corpus.entries("text"):
        if CAN_RESET:
            reset_peak()
        before = peak_mb()
        outcome = outcome_of(lambda text=entry["value"]: embedded(encoder, text))
        outcome.peak_mb = peak_mb() - before
        found.append((entry, outcome))
    return found


def test_every_text_ends_as_the_manifest_says(verdicts: Verdicts) -> None:
    wrong = {
        entry["id"]: complaint
        for entry, outcome in verdicts
        if (complaint := outcome.complaint(entry["expect"]["outcome"], entry["expect"].get("code", "")))
    }
    assert len(verdicts) >= 60
    assert not wrong


def test_no_text_takes_long_or_much_memory(verdicts: Verdicts) -> None:
    slow = {entry["id"]: outcome.seconds for entry, outcome in verdicts if outcome.seconds > entry["limit"]["seconds"]}
    assert not slow
    assert not {entry["id"]: outcome.peak_mb for entry, outcome in verdicts if outcome.peak_mb > entry["limit"]["rss_mb"]}


def test_every_accepted_text_can_be_searched_with(verdicts: Verdicts) -> None:
    accepted = [(entry["id"], outcome.value) for entry, outcome in verdicts if outcome.value is not None]
    assert len(accepted) > 40
    for name, embedding in accepted:
        assert embedding.shape == (DIM,), name
        assert embedding.dtype == np.float32, name
        assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5), name


def test_different_texts_are_different(verdicts: Verdicts, encoder: TextEncoder) -> None:
    """What is accepted is read, not thrown away: no two differ in words and share an embedding."""
    seen: dict[bytes, tuple[tuple[int, ...], ...]] = {}
    tokenizer = HashingTokenizer(512, MAX_TOKENS)
    for entry, outcome in verdicts:
        if outcome.value is not None:
            tokens = tuple(tokenizer(clean_query(entry["value"], max_chars=MAX_CHARS)))
            assert tokens != ((PADDING,),), entry["id"]
            assert seen.setdefault(outcome.value.tobytes(), tokens) == tokens, entry["id"]
    assert len(seen) > 40


def test_spellings_of_one_text_are_one(encoder: TextEncoder) -> None:
    for one, other in (
        ("café", "cafe\u0301"),
        ("ＲＥＤ　ＳＨＯＥ", "red shoe"),
        ("red\x00shoe", "red shoe"),
        ("RED SHOE", "red shoe"),
    ):
        assert np.array_equal(embedded(encoder, one), embedded(encoder, other)), (one, other)


def test_every_text_can_be_shown_on_one_line(hostile_corpus: Corpus) -> None:
    for entry in hostile_corpus.entries("text"):
        shown = display_text(entry["value"], max_chars=500)
        assert len(shown) <= 500, entry["id"]
        assert shown.isprintable() or not {"\u202e", "\x00", "\x1b", "\n"} & set(shown), entry["id"]
        shown.encode()
