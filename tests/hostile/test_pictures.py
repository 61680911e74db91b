"""Every hostile picture through the decoder: the outcome, the cost, and what would be served of it."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from crossmodal.images.decode import DecodeLimits, decode_picture
from crossmodal.images.decoder import Decoder
from tests.crossmodal.images.drawing import is_upright, reopened
from tests.hostile.conftest import Corpus, Entry
from tests.hostile.memory import CAN_RESET, peak_mb, reset_peak
from tests.hostile.outcomes import Outcome, outcome_of

pytestmark = pytest.mark.slow

SQUARE_PX = 224
LIMITS = DecodeLimits()
UPRIGHT = ("tl", "tr", "bl", "br")

Verdicts = list[tuple[Entry, Outcome]]


@pytest.fixture(scope="module")
def verdicts(hostile_corpus: Corpus) -> Verdicts:
    """Every picture decoded once, one after another in one process, whose peak memory is taken for each."""
    found = []
    with Decoder(LIMITS, workers=1) as decoder:
        decoder.decode(hostile_corpus.data(hostile_corpus.entries("picture")[0]), square_px=SQUARE_PX)
        for entry in hostile_corpus.entries("picture"):
            data = hostile_corpus.data(entry)
            for pid in decoder.pids if CAN_RESET else ():
                reset_peak(pid)
            outcome = outcome_of(lambda data=data: decoder.decode(data, square_px=SQUARE_PX))
            outcome.peak_mb = max(map(peak_mb, decoder.pids), default=0.0)
            found.append((entry, outcome))
    return found


def accepted(verdicts: Verdicts, check: str) -> Verdicts:
    """Accepted pictures with a certain check in the manifest."""
    chosen = [(entry, outcome) for entry, outcome in verdicts if check in entry["expect"] and outcome.value is not None]
    assert chosen, f"no accepted picture is to be checked for {check}"
    return chosen


def test_every_picture_ends_as_the_manifest_says(verdicts: Verdicts) -> None:
    wrong = {
        entry["id"]: complaint
        for entry, outcome in verdicts
        if (complaint := outcome.complaint(entry["expect"]["outcome"], entry["expect"].get("code", "")))
    }
    assert len(verdicts) >= 150
    assert not wrong


def test_no_picture_takes_too_long_or_too_much_memory(verdicts: Verdicts) -> None:
    slow = {entry["id"]: outcome.seconds for entry, outcome in verdicts if outcome.seconds > entry["limit"]["seconds"]}
    assert not slow
    assert np.percentile([outcome.seconds for _, outcome in verdicts], 95) < 1
    big = {entry["id"]: outcome.peak_mb for entry, outcome in verdicts if outcome.peak_mb > entry["limit"]["rss_mb"]}
    assert not big
    if CAN_RESET:
        assert max(outcome.peak_mb for _, outcome in verdicts) > 50  # the measure measures


def test_no_picture_ran_code(verdicts: Verdicts, hostile_corpus: Corpus) -> None:
    assert verdicts
    assert not hostile_corpus.canary_fired("picture")


def test_pictures_are_upright_and_of_their_size(verdicts: Verdicts) -> None:
    turned = []
    for entry, outcome in accepted(verdicts, "upright"):
        colours = [tuple(entry["expect"]["upright"][corner]) for corner in UPRIGHT]
        if not is_upright(outcome.value, tolerance=60, colours=colours):
            turned.append(entry["id"])
    assert not turned
    for entry, outcome in accepted(verdicts, "size"):
        assert [outcome.value.width_px, outcome.value.height_px] == entry["expect"]["size"], entry["id"]


def test_what_is_transparent_stands_on_the_background(verdicts: Verdicts) -> None:
    for entry, outcome in accepted(verdicts, "background"):
        for pixels in (outcome.value.pixels, np.asarray(reopened(outcome.value.rendition))):
            assert np.abs(pixels.astype(int) - entry["expect"]["background"]).max() <= 2, entry["id"]


def test_only_the_first_frame_is_read(verdicts: Verdicts, hostile_corpus: Corpus) -> None:
    for entry, outcome in accepted(verdicts, "frames_read"):
        assert outcome.seconds < 2, entry["id"]
        with Image.open(hostile_corpus.folder("picture") / entry["path"]) as image:
            first = np.asarray(image.convert("RGB").resize((8, 8))).astype(int)
        assert np.abs(np.asarray(Image.fromarray(outcome.value.pixels).resize((8, 8))) - first).mean() < 40, entry["id"]


def test_what_is_served_is_pixels_and_nothing_else(verdicts: Verdicts) -> None:
    for entry, outcome in verdicts:
        if outcome.value is None:
            continue
        for served in (outcome.value.rendition, outcome.value.thumbnail):
            image = reopened(served)
            assert not image.getexif(), entry["id"]
            assert not {"exif", "icc_profile", "comment", "xmp"} & set(image.info), entry["id"]
            for forbidden in entry["expect"].get("no_bytes", ()):
                assert forbidden.encode() not in served, entry["id"]
    assert accepted(verdicts, "no_bytes")
    assert accepted(verdicts, "strip_exif")


def test_equal_files_are_one_picture_and_others_are_not(verdicts: Verdicts, hostile_corpus: Corpus) -> None:
    by_id = {entry["id"]: outcome.value for entry, outcome in verdicts}
    for entry, outcome in accepted(verdicts, "dedupe_of"):
        assert outcome.value == by_id[entry["expect"]["dedupe_of"]], entry["id"]
    files: dict[str, bytes] = {}
    for entry, outcome in verdicts:
        if outcome.value is not None:
            data = hostile_corpus.data(entry)
            assert files.setdefault(outcome.value.content_hash, data) == data, entry["id"]


def test_the_verdict_is_the_same_in_this_process(verdicts: Verdicts, hostile_corpus: Corpus) -> None:
    for entry, there in verdicts:
        data = hostile_corpus.data(entry)
        here = outcome_of(lambda data=data: decode_picture(data, limits=LIMITS, square_px=SQUARE_PX))
        assert (here.raw, here.code, here.message) == (there.raw, there.code, there.message), entry["id"]
        assert here.value == there.value, entry["id"]
        assert here.value is None or (here.value.pixels == there.value.pixels).all(), entry["id"]


def test_many_hostile_pictures_at_once_disturb_no_honest_one(hostile_corpus: Corpus) -> None:
    entries = hostile_corpus.entries("picture")
    honest = hostile_corpus.data(entries[0])
    work = list(itertools.chain.from_iterable((hostile_corpus.data(entry), honest) for entry in entries))
    with Decoder(LIMITS, workers=2) as decoder, ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda data: outcome_of(lambda: decoder.decode(data, square_px=64)), work))
    assert [outcome.raw for outcome in results if outcome.raw] == []
    assert all(outcome.value == results[1].value is not None for outcome in results[1::2])
