"""Words in two processes: the product's tokenizer is stable, one that leans on `hash()` is found out."""

from pathlib import Path
from typing import cast

import pytest

from crossmodal.images.decoder import Decoder
from doctor.finding import Subject
from doctor.model import PROBE, check_tokenizer
from tests.app_parts import InProcess
from tests.doctor.broken import place_of
from tests.tiny import shared_model

pytestmark = pytest.mark.slow

UNSTABLE = "print(hash('a red striped mug') % 4096)"


def subject(folder: Path) -> Subject:
    return Subject(place_of(folder), cast(Decoder, InProcess()), model=shared_model())


@pytest.mark.parametrize(("probe", "faults"), [("print('the same')", 0), (UNSTABLE, 1), ("raise SystemExit(1)", 1)])
def test_answers_are_compared(healthy_folder: Path, probe: str, faults: int) -> None:
    found = check_tokenizer(subject(healthy_folder), probe)
    assert [finding.code for finding in found] == ["tokenizer_unstable"] * faults


def test_our_own_is_stable(healthy_folder: Path) -> None:
    assert check_tokenizer(subject(healthy_folder), PROBE) == []


def test_without_a_model_there_is_nothing_to_ask(tmp_path: Path) -> None:
    assert check_tokenizer(Subject(place_of(tmp_path), cast(Decoder, InProcess()))) == []
