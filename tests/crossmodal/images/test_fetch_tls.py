"""Certificates: only a valid one for the right name is good enough, and the name is the address's, not the dialled number's."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest

from crossmodal.errors import FetchError
from tests.crossmodal.images.web import PUBLIC, serve

trustme = pytest.importorskip("trustme", reason="needs trustme to make certificates")

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority() -> "trustme.CA":
    return trustme.CA()


def trusting(authority: "trustme.CA") -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def server(certificate: "trustme.LeafCert") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_a_good_certificate_for_the_name_passes_and_the_name_is_sent(authority: "trustme.CA") -> None:
    named: list[str | None] = []
    context = server(authority.issue_cert("shop.example"))
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    with serve({"/a": lambda handler: handler.send(b"picture")}, tls=context) as web:
        assert web.fetcher(tls=trusting(authority)).fetch("https://shop.example/a") == b"picture"
    assert named == ["shop.example"]
    assert web.dialled == [(PUBLIC, 443)]
    assert web.asked[0][1]["Host"] == "shop.example"


def test_expired_wrong_name_and_strange_authority_are_refused_with_the_reason(authority: "trustme.CA") -> None:
    expired = authority.issue_cert("shop.example", not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1))
    cases = {
        "expired": (expired, trusting(authority)),
        "valid for 'shop.example'": (authority.issue_cert("other.example"), trusting(authority)),
        "unable to get local issuer": (authority.issue_cert("shop.example"), trusting(trustme.CA())),
        "unable to get": (authority.issue_cert("shop.example"), None),  # None: the public authorities
    }
    for reason, (certificate, trust) in cases.items():
        with (
            serve({"/a": lambda handler: handler.send(b"picture")}, tls=server(certificate)) as web,
            pytest.raises(FetchError) as error,
        ):
            web.fetcher(tls=trust).fetch("https://shop.example/a")
        assert error.value.code == "connect_failed"
        assert reason in str(error.value)
        assert not web.asked


def test_a_number_instead_of_a_name_needs_a_certificate_for_the_number(authority: "trustme.CA") -> None:
    for certificate, good in ((authority.issue_cert(PUBLIC), True), (authority.issue_cert("shop.example"), False)):
        with serve({"/a": lambda handler: handler.send(b"picture")}, tls=server(certificate)) as web:
            fetcher = web.fetcher(tls=trusting(authority))
            if good:
                assert fetcher.fetch(f"https://{PUBLIC}/a") == b"picture"
            else:
                with pytest.raises(FetchError, match="could not be reached"):
                    fetcher.fetch(f"https://{PUBLIC}/a")


def test_a_server_without_encryption_is_not_reached_by_https() -> None:
    with serve({}) as web, pytest.raises(FetchError) as error:
        web.fetcher().fetch("https://shop.example/a")
    assert error.value.code == "connect_failed"
    assert not web.asked
