from crossmodal.images.scans import count_scans
from tests.images.drawing import corners, encode

BASELINE = encode(corners(), "JPEG")
PROGRESSIVE = encode(corners(), "JPEG", progressive=True)


def last_scan(jpeg: bytes) -> bytes:
    return jpeg[jpeg.rindex(b"\xff\xda") : -2]


def test_the_passes_of_real_files_are_counted() -> None:
    assert count_scans(BASELINE, most=0) == 1
    assert count_scans(PROGRESSIVE, most=0) == PROGRESSIVE.count(b"\xff\xda") == 10
    assert count_scans(b"\xff\xd8\xff", most=0) == 0


def test_repeated_passes_are_counted_one_by_one() -> None:
    assert count_scans(PROGRESSIVE[:-2] + last_scan(PROGRESSIVE) * 200 + PROGRESSIVE[-2:], most=100) == 210


def test_thumbnails_comments_and_trailing_bytes_do_not_count() -> None:
    hidden = b"\xff\xda" * 300
    comment = b"\xff\xfe" + (len(hidden) + 2).to_bytes(2, "big") + hidden
    behind = b"\0\2" + b"\xff\xda\0\2" * 300
    assert count_scans(BASELINE[:2] + comment + BASELINE[2:] + behind, most=100) == 1


def test_a_harmless_file_is_settled_by_the_quick_bound() -> None:
    assert count_scans(BASELINE + b"\xff\xda" * 5, most=100) == 6
