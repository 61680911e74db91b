"""Every hostile address through the fetcher: refused as the manifest says, and nothing inside was touched."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from crossmodal.images.fetch import Fetcher, FetchLimits
from tests.hostile.audit import AUDIT
from tests.hostile.conftest import Corpus, EvilServer
from tests.hostile.outcomes import outcome_of
from tests.hostile.trapped import Trapped

pytestmark = pytest.mark.slow


@pytest.fixture
def network_events() -> Iterator[list[tuple[str, Any]]]:
    yield AUDIT.start()
    AUDIT.stop()


def test_every_address_ends_as_the_manifest_says_and_nothing_inside_is_touched(
    hostile_corpus: Corpus, evil_server: EvilServer, network_events: list[tuple[str, Any]]
) -> None:
    entries = hostile_corpus.entries("url")
    wrong, addresses = {}, set()
    fills = {"{canary}": str(evil_server.canary), "{port}": str(evil_server.port), "{hostname}": socket.gethostname()}
    network_events.clear()
    for entry in entries:
        url = entry["value"]
        for name, value in fills.items():
            url = url.replace(name, value)
        trapped = Trapped(evil_server)  # with a resolver that has not answered yet: it changes its answers
        fetcher = trapped.fetcher(timeout_s=8)
        outcome = outcome_of(lambda url=url, fetcher=fetcher: fetcher.fetch(url))
        complaint = outcome.complaint(entry["expect"]["outcome"], entry["expect"].get("code", ""))
        hops = 1 + entry["id"].endswith("_redirect")
        addresses |= {address for address, _ in trapped.dialled}
        if trapped.looked_up.total() > hops or len(trapped.dialled) > hops:
            complaint = complaint or "looked up or dialled more than once for a hop"
        if outcome.seconds > entry["limit"]["seconds"]:
            complaint = complaint or f"took {outcome.seconds:.1f} s"
        if complaint:
            wrong[entry["id"]] = complaint
    events = set(network_events)
    assert len(entries) >= 130
    assert not wrong
    assert evil_server.canary_hits() == []
    assert events == {("socket.connect", ("127.0.0.1", evil_server.port))}  # through the test's dialler, and no other way
    assert addresses == {evil_server.module.PUBLIC}


def test_an_unchanged_fetcher_reaches_nothing_of_this_computer(
    hostile_corpus: Corpus, evil_server: EvilServer, network_events: list[tuple[str, Any]]
) -> None:
    """With the real dialler and the system's own resolver for numbers, which takes 127.1 and 0x7f000001 as gladly as 127.0.0.1."""

    def numbers_only(host: str, port: int, **kwargs: Any) -> list[tuple[Any, ...]]:
        try:
            return socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST, **kwargs)
        except socket.gaierror:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    fetcher = Fetcher(FetchLimits(timeout_s=3, ports=(80, 443, evil_server.canary)), resolve=numbers_only)
    network_events.clear()
    tried = 0
    for entry in hostile_corpus.entries("url"):
        if "evil.test" not in entry["value"] or "127.0.0.1" in entry["value"]:
            url = entry["value"].replace("{canary}", str(evil_server.canary)).replace("{hostname}", socket.gethostname())
            if entry["id"] == "url/ip_meta_azure_wire" or entry["expect"]["outcome"] == "reject":
                tried += 1
                assert outcome_of(lambda url=url: fetcher.fetch(url)).code, entry["id"]
    connects = [event for event in network_events if event[0] == "socket.connect"]
    assert tried > 100
    assert connects == []
    assert evil_server.canary_hits() == []
