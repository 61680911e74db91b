import socket
import time

import pytest

from crossmodal.images.addresses import parse_address
from crossmodal.images.hop import MAX_DIALS, MAX_OVERHEAD_BYTES, Deadline, Dial, Hop, TooMuchBesidesError, Wire, dial

ADDRESS = parse_address("http://shop.example/")


def hop(route: list[str], reach: Dial, *, seconds: float = 5) -> Hop:
    return Hop(ADDRESS, route, deadline=Deadline(seconds), dial=reach)


def test_a_deadline_runs_out() -> None:
    assert 4 < Deadline(5).left() <= 5
    assert not Deadline(5).over
    past = Deadline(0)
    assert past.over
    with pytest.raises(TimeoutError):
        past.left()


def test_the_next_address_is_tried_and_each_gets_its_share_of_the_time() -> None:
    tried: list[tuple[str, float]] = []
    one, other = socket.socketpair()

    def reach(address: str, port: int, timeout_s: float) -> socket.socket:
        tried.append((address, timeout_s))
        if address != "c":
            raise ConnectionRefusedError
        return one

    with one, other:
        assert hop(["a", "b", "c"], reach, seconds=6).connect() is one
    assert [address for address, _ in tried] == ["a", "b", "c"]
    assert [round(seconds) for _, seconds in tried] == [2, 3, 6]


def test_only_so_many_addresses_are_tried_and_the_last_error_is_the_answer() -> None:
    tried: list[str] = []

    def reach(address: str, port: int, timeout_s: float) -> socket.socket:
        tried.append(address)
        raise ConnectionRefusedError(address)

    with pytest.raises(ConnectionRefusedError, match="3"):
        hop([str(n) for n in range(10)], reach).connect()
    assert len(tried) == MAX_DIALS


def test_bytes_besides_the_picture_are_counted_and_the_pictures_are_not() -> None:
    one = hop(["a"], dial)
    for _ in range(50):
        one.count(MAX_OVERHEAD_BYTES)
        assert list(one.body([b"x" * MAX_OVERHEAD_BYTES])) == [b"x" * MAX_OVERHEAD_BYTES]
    one.count(MAX_OVERHEAD_BYTES)
    with pytest.raises(TooMuchBesidesError):
        one.count(1)


def test_a_wire_waits_no_longer_than_the_deadline() -> None:
    near, far = socket.socketpair()
    with near, far, Wire(near, hop(["a"], dial, seconds=0.1)) as wire:
        far.sendall(b"abc")
        assert wire.read(10) == b"abc"
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            wire.read(10)
        assert time.monotonic() - begun < 3


def test_dialling_connects_or_cleans_up_after_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with dial("127.0.0.1", port, 5) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)
    with pytest.raises(OSError):
        dial("127.0.0.1", port, 5)
