import threading
import time

from crossmodal.images.fair_pool import FairPool


def wait_until(condition: object) -> None:
    end = time.monotonic() + 5
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.001)


def test_each_thing_is_with_one_thread_at_a_time() -> None:
    pool = FairPool("ab")
    in_use: set[str] = set()
    most = 0

    def work() -> None:
        nonlocal most
        for _ in range(200):
            thing = pool.take(timeout_s=10)
            assert thing is not None
            assert thing not in in_use
            in_use.add(thing)
            most = max(most, len(in_use))
            in_use.remove(thing)
            assert pool.give(thing)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 2
    assert sorted(pool.close()) == ["a", "b"]


def test_who_came_first_is_served_first_and_no_newcomer_overtakes() -> None:
    pool = FairPool(["only"])
    order: list[int] = []
    held = pool.take(timeout_s=1)

    def work(number: int) -> None:
        thing = pool.take(timeout_s=10)
        order.append(number)
        assert thing is not None
        pool.give(thing)

    threads = []
    for number in range(8):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
        wait_until(lambda number=number: len(pool._waiting) == number + 1)
    assert held is not None
    pool.give(held)
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_patience_ends_and_the_place_is_given_up() -> None:
    pool = FairPool(["only"])
    held = pool.take(timeout_s=1)
    assert pool.take(timeout_s=0.02) is None
    assert held is not None
    pool.give(held)
    assert pool.take(timeout_s=1) == "only"


def test_a_closed_pool_sends_everybody_home() -> None:
    pool = FairPool(["only"])
    held = pool.take(timeout_s=1)
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(pool.take(timeout_s=10)))
    thread.start()
    wait_until(lambda: pool._waiting)
    assert pool.close() == []
    thread.join()
    assert got == [None]
    assert pool.take(timeout_s=1) is None
    assert held is not None
    assert not pool.give(held)
