"""Resized pictures and the bounds of their cache."""

import io
from hashlib import sha256

import pytest
from PIL import Image

from api.responses import Resizer
from crossmodal.images.decode import DecodeLimits, decode_picture
from tests.app_parts import png


def test_what_is_kept_is_bounded_and_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [decode_picture(png("red", "disc", seed), limits=DecodeLimits(), square_px=1).rendition for seed in range(6)]
    made: list[bytes] = []

    def noted(jpeg: bytes, **options: object) -> object:
        made.append(jpeg)
        return decode_picture(jpeg, **options)

    monkeypatch.setattr("api.responses.decode_picture", noted)
    resizer = Resizer(kept_bytes=3_000)
    small = [resizer.resized(jpeg, 16, sha256(jpeg).hexdigest()) for jpeg in pictures]
    assert {max(Image.open(io.BytesIO(each)).size) for each in small} == {16}
    assert resizer._bytes == sum(map(len, resizer._kept.values())) <= 3_000
    assert 0 < len(resizer._kept) < 6
    last, digest = pictures[-1], sha256(pictures[-1]).hexdigest()
    assert resizer.resized(last, 16, digest) == small[-1]
    assert made == pictures
    resizer.resized(pictures[0], 16, sha256(pictures[0]).hexdigest())
    resizer.resized(last, 8, digest)
    assert len(made) == 8
