from pathlib import Path

import pytest

from ui import wording


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "1 ms"),
        (0.0123, "12 ms"),
        (0.9996, "1.0 s"),
        (1.44, "1.4 s"),
        (9.96, "10 s"),
        (31.4, "31 s"),
        (240, "4 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert wording.duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "a few seconds left"), (12, "about 10 s left"), (88, "about 90 s left"), (200, "about 3 min left")]
)
def test_left(seconds: float, words: str) -> None:
    assert wording.left(seconds) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0"), (1, "100"), (0.999, "99"), (0.971, "97"), (0.0097, "1"), (0.001, "0.1"), (0.0139, "1"), (0.5, "50")],
)
def test_of_a_hundred_never_claims_all_for_nearly_all(share: float, words: str) -> None:
    assert wording.of_a_hundred(share) == words


@pytest.mark.parametrize(
    ("cosine", "words"), [(1.0, "1.00"), (-0.001, "0.00"), (-0.25, "−0.25"), (0.005, "0.01"), (0.8349, "0.83")]
)
def test_score(cosine: float, words: str) -> None:
    assert wording.score(cosine) in {words, "0.00"} if cosine == 0.005 else wording.score(cosine) == words


def test_count() -> None:
    assert [wording.count(n, "picture") for n in (0, 1, 1200)] == ["0 pictures", "1 picture", "1,200 pictures"]
    assert wording.count(2, "entry", "entries") == "2 entries"


def test_place_is_short_inside_the_home_folder_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert wording.place(tmp_path / "pictures" / "data") == str(Path("~/pictures/data"))
    assert wording.place(tmp_path.parent) == str(tmp_path.parent)
