"""Features on disk: what went in comes out, equal content once, and a kill at any byte costs at most a block."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossmodal.errors import TrainingError
from crossmodal.training.feature_cache import SMALLEST_CROP, FeatureCache, content_digest, view_of

KEY = {"backbone": "abc", "view": 0}


def contents(*texts: str) -> list[bytes]:
    return [content_digest(text) for text in texts]


def block(n: int, length: int = 3, features: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, length, features, generator=torch.Generator().manual_seed(seed))


def test_what_went_in_comes_out_after_a_restart(tmp_path: Path) -> None:
    values, mask = block(3), torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
    FeatureCache(tmp_path, KEY, features=4).append(contents("a", "b", "c"), values, mask)
    cache = FeatureCache(tmp_path, KEY, features=4)
    assert len(cache) == 3
    found, present = cache.batch(cache.rows(contents("b", "a", "c", "b")))
    assert found.shape == (4, 3, 4)
    assert found.dtype == torch.float32
    order = torch.tensor([1, 0, 2, 1])
    assert torch.equal(present, mask[order])
    torch.testing.assert_close(found, values[order] * mask[order][..., None], rtol=2**-11, atol=1e-7)
    assert torch.equal(found[~present], torch.zeros_like(found[~present]))


def test_the_error_is_that_of_float16(tmp_path: Path) -> None:
    values = block(200, 1, 64) * 10
    cache = FeatureCache(tmp_path, KEY, features=64)
    cache.append([content_digest(str(i)) for i in range(200)], values)
    found, _ = cache.batch(torch.arange(200))
    assert ((found - values).abs() / values.abs()).max() <= 2**-10
    assert (found - values).abs().mean() < (values.bfloat16().float() - values).abs().mean() / 4


def test_vectors_are_sequences_of_one(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, KEY, features=4)
    cache.append(contents("a", "b"), block(2, 1)[:, 0])
    found, present = cache.batch(torch.tensor([1, 0]))
    assert (found.shape, present.tolist()) == ((2, 1, 4), [[True], [True]])
    assert cache.batch(torch.tensor([], dtype=torch.int64))[0].shape == (0, 0, 4)
    assert cache.nbytes == 2 * 4 * 2


def test_holes_in_a_mask_are_closed(tmp_path: Path) -> None:
    values = block(1)
    cache = FeatureCache(tmp_path, KEY, features=4)
    cache.append(contents("a"), values, torch.tensor([[False, True, True]]))
    found, present = cache.batch(torch.tensor([0]))
    assert present.tolist() == [[True, True]]
    torch.testing.assert_close(found, values[:, 1:], rtol=2**-11, atol=1e-7)


def test_equal_content_is_stored_once(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, KEY, features=4)
    wanted = contents("a", "b", "a", "c", "b")
    assert cache.missing(wanted) == [0, 1, 3]
    cache.append(wanted[:3], block(3))
    assert cache.missing(wanted) == [3]
    cache.append(wanted, block(5, seed=9))
    assert cache.missing(wanted) == []
    assert len(cache) == 3
    torch.testing.assert_close(cache.batch(cache.rows(wanted))[0][0], block(3)[0], rtol=2**-10, atol=1e-6)  # the first stays
    assert cache.rows(wanted).tolist() == [0, 1, 0, 2, 1]


def test_other_keys_are_other_caches(tmp_path: Path) -> None:
    FeatureCache(tmp_path, KEY, features=4).append(contents("a"), block(1))
    assert len(FeatureCache(tmp_path, KEY | {"view": 1}, features=4)) == 0
    assert len(FeatureCache(tmp_path, KEY, features=5)) == 0
    assert len(FeatureCache(tmp_path, dict(reversed(KEY.items())), features=4)) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_a_kill_at_any_byte_loses_at_most_the_block(tmp_path: Path, data: st.DataObject) -> None:
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    cache = FeatureCache(tmp_path / "cache", KEY, features=4)
    names = [content_digest(str(i)) for i in range(6)]
    values = block(6)
    cache.append(names[:2], values[:2])
    before = {name: (cache.path / name).read_bytes() for name in ("values.bin", "rows.bin")}
    cache.append(names[2:], values[2:])
    after = {name: (cache.path / name).read_bytes() for name in ("values.bin", "rows.bin")}
    # The system may have written any part of the values, and any part of the records once all values are there.
    of_values = data.draw(st.integers(len(before["values.bin"]), len(after["values.bin"])))
    whole = of_values == len(after["values.bin"])
    of_rows = data.draw(st.integers(len(before["rows.bin"]), len(after["rows.bin"]))) if whole else len(before["rows.bin"])
    (cache.path / "values.bin").write_bytes(after["values.bin"][:of_values])
    (cache.path / "rows.bin").write_bytes(after["rows.bin"][:of_rows])
    again = FeatureCache(tmp_path / "cache", KEY, features=4)
    assert 2 <= len(again) <= 6
    again.verify()
    missing = again.missing(names)
    again.append([names[i] for i in missing], values[missing])
    last = FeatureCache(tmp_path / "cache", KEY, features=4)
    last.verify()
    torch.testing.assert_close(last.batch(last.rows(names))[0], values, rtol=2**-10, atol=1e-6)


def test_records_that_cannot_be_right_are_made_anew(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, KEY, features=4)
    cache.append(contents("a", "b", "c"), block(3))
    raw = bytearray((cache.path / "rows.bin").read_bytes())
    raw[len(raw) // 2] ^= 1
    (cache.path / "rows.bin").write_bytes(raw)
    again = FeatureCache(tmp_path, KEY, features=4)
    assert len(again) == 1
    again.append(contents("a", "b", "c"), block(3))
    FeatureCache(tmp_path, KEY, features=4).verify()


def test_a_changed_value_is_found(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, KEY, features=4)
    cache.append(contents("a", "b", "c"), block(3))
    raw = bytearray((cache.path / "values.bin").read_bytes())
    raw[30] ^= 1
    (cache.path / "values.bin").write_bytes(raw)
    with pytest.raises(TrainingError, match="damaged at row 1"):
        FeatureCache(tmp_path, KEY, features=4).verify()


def test_two_writers_do_not_mix(tmp_path: Path) -> None:
    first, second = (FeatureCache(tmp_path, KEY, features=4) for _ in range(2))
    first.append(contents("a"), block(1))
    with pytest.raises(TrainingError, match="Another process"):
        second.append(contents("b"), block(1))
    assert len(FeatureCache(tmp_path, KEY, features=4)) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_what_float16_cannot_hold_is_refused(tmp_path: Path, value: float) -> None:
    cache = FeatureCache(tmp_path, KEY, features=4)
    values = block(1)
    values[0, 1, 2] = value
    with pytest.raises(TrainingError, match="cannot be cached"):
        cache.append(contents("a"), values)
    cache.append(contents("a"), values, torch.tensor([[True, False, True]]))  # what is masked does not matter
    assert len(cache) == 1


def test_shapes_must_fit(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, KEY, features=4)
    with pytest.raises(ValueError, match="features"):
        cache.append(contents("a", "b"), block(1))
    with pytest.raises(ValueError, match="features"):
        cache.append(contents("a"), block(1, features=3))
    with pytest.raises(KeyError):
        cache.rows(contents("z"))


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 24, 24, 3), dtype=np.uint8)


def test_plain_and_mirrored(pixels: np.ndarray) -> None:
    assert view_of(pixels, 0, "abc") is pixels
    assert np.array_equal(view_of(pixels, 1, "abc")[:, :, 0], pixels[:, :, -1])
    assert np.array_equal(view_of(view_of(pixels, 1, "abc"), 1, "abc"), pixels)


def test_crops_are_the_same_for_the_same_name_and_differ_otherwise(pixels: np.ndarray) -> None:
    first, again = view_of(pixels, 2, "abc"), view_of(pixels, 2, "abc")
    assert first.shape == pixels.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, view_of(pixels, 3, "abc"))
    assert not np.array_equal(first, view_of(pixels, 2, "xyz"))
    assert np.array_equal(view_of(pixels[1:2], 2, "b")[0], first[1])


def test_a_crop_is_a_part_of_the_picture() -> None:
    """Brightness that grows to the right and downwards tells from where a part was taken."""
    ramp = np.linspace(0, 255, 40).astype(np.uint8)
    picture = np.stack([np.tile(ramp, (40, 1)), np.tile(ramp[:, None], (1, 40)), np.zeros((40, 40), np.uint8)], axis=-1)
    for number in range(20):
        crop = view_of(picture[None], 2, [str(number)])[0].astype(int)
        span = crop[:, :, 1].max() - crop[:, :, 1].min()
        assert 255 * (SMALLEST_CROP - 0.1) < span <= 255
        assert crop[:, :, 2].max() == 0
