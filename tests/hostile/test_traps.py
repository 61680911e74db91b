"""Every HTTP trap through fetcher and decoder, the endless ones side by side."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crossmodal.images.decode import DecodeLimits
from crossmodal.images.decoder import Decoder
from tests.hostile.conftest import Corpus, EvilServer
from tests.hostile.memory import CAN_RESET, peak_mb, reset_peak
from tests.hostile.outcomes import Outcome, outcome_of
from tests.hostile.trapped import DEADLINE_S, Trapped, deadline_of
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

TOLERANCE_S = 3.0
MOST_MB_MORE = 256
HONEST_S = 3.0
SLOW_TO_BUILD = ("/gzip-nested", "/gzip-bomb-10gb", "/redirect-with-bomb", "/deflate-bomb", "/gzip-bomb")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0  # noqa: PTH208  a number, not paths


@pytest.mark.timeout(120)
def test_every_trap_ends_as_the_server_says(evil_server: EvilServer) -> None:
    traps = evil_server.ask("/__index")
    trapped = Trapped(evil_server)
    # What the server needs long to build comes first and not at once: its slowness is not the trap.
    order = sorted(traps, key=lambda path: SLOW_TO_BUILD.index(path) if path in SLOW_TO_BUILD else len(SLOW_TO_BUILD))
    with Decoder(DecodeLimits(), workers=2) as decoder:
        first = trapped.fetcher(timeout_s=DEADLINE_S).fetch(f"http://evil.test:{evil_server.port}/ok.png")
        decoder.decode(first, square_px=64)
        files, threads = open_files(), threading.active_count()
        if CAN_RESET:
            reset_peak()
        memory = peak_mb()

        def spring(path: str) -> Outcome:
            fetcher = trapped.fetcher(timeout_s=deadline_of(traps[path]))
            return outcome_of(lambda: decoder.decode(fetcher.fetch(f"http://evil.test:{evil_server.port}{path}"), square_px=64))

        outcomes = {path: spring(path) for path in order[: len(SLOW_TO_BUILD)]}
        rest = order[len(SLOW_TO_BUILD) :]
        with ThreadPoolExecutor(16) as pool:
            outcomes |= dict(zip(rest, pool.map(spring, rest), strict=True))
        more_memory = peak_mb() - memory
        wait_until(lambda: threading.active_count() <= threads, "threads are left behind")
        assert open_files() <= files + 8  # the second decoding process and its pipes

    assert len(traps) >= 116
    wrong = {path: outcome.complaint(traps[path]["outcome"], traps[path]["code"]) for path, outcome in outcomes.items()}
    assert {path: complaint for path, complaint in wrong.items() if complaint} == {}
    late = {path: outcome.seconds for path, outcome in outcomes.items() if outcome.seconds > deadline_of(traps[path]) + TOLERANCE_S}
    assert not late
    assert evil_server.canary_hits() == []
    assert {address for address, _ in trapped.dialled} == {evil_server.module.PUBLIC}
    if CAN_RESET:
        assert more_memory < MOST_MB_MORE


def test_nothing_is_carried_from_one_request_to_the_next(evil_server: EvilServer) -> None:
    fetcher = Trapped(evil_server).fetcher(timeout_s=DEADLINE_S)
    for path in ("/set-cookie", "/echo-check", "/redirect?to=/set-cookie", "/redirect?to=/echo-check", "/echo-check"):
        fetcher.fetch(f"http://evil.test:{evil_server.port}{path}")
    for hit in evil_server.ask("/__hits")["hits"]:
        if hit["headers"]["host"].startswith("evil.test"):
            assert set(hit["headers"]) == {"host", "user-agent", "accept", "accept-encoding", "connection"}


def test_a_flood_does_not_hold_up_an_honest_fetch(evil_server: EvilServer) -> None:
    trapped = Trapped(evil_server)
    paths = ["/slow-drip*", "/slow-headers*", "/hang-mid-body*"] * 4
    with ThreadPoolExecutor(len(paths)) as pool:
        slow = trapped.fetcher(timeout_s=2 * HONEST_S)
        urls = [f"http://evil.test:{evil_server.port}{path}" for path in paths]
        stuck = [pool.submit(outcome_of, lambda url=url: slow.fetch(url)) for url in urls]
        assert trapped.fetcher(timeout_s=HONEST_S).fetch(f"http://evil.test:{evil_server.port}/ok.png")
        assert not any(future.done() for future in stuck)
        assert {future.result().code for future in stuck} == {"timeout"}


def test_a_picture_is_the_same_by_address_and_by_upload(evil_server: EvilServer, hostile_corpus: Corpus) -> None:
    fetcher = Trapped(evil_server).fetcher(timeout_s=DEADLINE_S)
    for entry in hostile_corpus.entries("picture"):
        url = f"http://evil.test:{evil_server.port}/corpus/{entry['path']}"
        assert fetcher.fetch(url) == hostile_corpus.data(entry), entry["id"]
