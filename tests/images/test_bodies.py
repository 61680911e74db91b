import gzip
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator

import pytest

from crossmodal.errors import FetchError
from crossmodal.images.bodies import read_body

LIMIT = 1_000


def pieces(data: bytes, size: int = 7) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def code_of(body: Iterable[bytes], *, encoding: str = "", length: int | None = None) -> str:
    with pytest.raises(FetchError) as error:
        read_body(body, encoding=encoding, length=length, max_bytes=LIMIT)
    return error.value.code


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_plain_pieces_are_joined(encoding: str) -> None:
    assert read_body(pieces(b"x" * LIMIT), encoding=encoding, length=None, max_bytes=LIMIT) == b"x" * LIMIT
    assert read_body([], encoding=encoding, length=0, max_bytes=LIMIT) == b""


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate"])
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_server_that_packs_unasked_is_unpacked(encoding: str, pack: object) -> None:
    packed = pack(b"picture" * 100)  # type: ignore[operator]
    assert read_body(pieces(packed), encoding=encoding, length=len(packed), max_bytes=LIMIT) == b"picture" * 100


def test_a_claim_beyond_the_limit_ends_it_before_a_byte_is_read() -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("read")
        yield b""

    assert code_of(never(), length=LIMIT + 1) == "too_large"


def test_an_endless_body_is_read_to_the_limit_and_no_further() -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 100
            yield b"\0" * 100

    assert code_of(endless()) == "too_large"
    assert read == LIMIT + 100


def test_a_bomb_is_never_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    tracemalloc.start()
    assert code_of([bomb[:LIMIT]], encoding="gzip") == "too_large"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000
    assert code_of(pieces(gzip.compress(b"\0" * (LIMIT + 1))), encoding="gzip") == "too_large"


@pytest.mark.parametrize("encoding", ["br", "zstd", "rot13", "gzip, gzip", "identity, gzip", ", ".join(["gzip"] * 200)])
def test_other_encodings_are_refused_unread(encoding: str) -> None:
    assert code_of(pieces(b"x"), encoding=encoding) == "bad_response"


def test_broken_and_unfinished_packing_is_an_error() -> None:
    packed = gzip.compress(bytes(range(256)) * 3)
    assert code_of(pieces(b"garbage"), encoding="gzip") == "bad_response"
    assert code_of(pieces(packed[:-10]), encoding="gzip") == "bad_response"
    assert read_body([], encoding="gzip", length=0, max_bytes=LIMIT) == b""
