from urllib.parse import urlsplit

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.errors import AddressError
from crossmodal.images.addresses import Address, AllowList, check_address, parse_address

LOOPBACK = """
2130706433 0x7f000001 0x7f.0x0.0x0.0x1 017700000001 0177.0.0.1 127.1 0x7f.1 0x7F.1 127.000.000.001 127.0.0.1.
①②⑦.⓪.⓪.① １２７.０.０.１ 127。0。0。1
"""
MALFORMED = r"""
example.com/x.jpg /etc/passwd http:// http:///x.jpg http:////example.com http:example.com
http://user@example.com/ http://a:b@example.com/ http://a@b@127.0.0.1/ http://example.com\@127.0.0.1/ \\host\share
http://[::1/ http://[fe80::1%25eth0]/ http://[1.2.3.4]/
http://example.com:99999/ http://example.com:abc/ http://example.com:0/ http://example.com:-1/ http://example.com:８０/
http://-a.test/ http://a..test/ http://.test/ http://℀.test/ http://example.com%40127.0.0.1/ http://127.0.0.1;example.com/
http://4294967296/ http://1.2.3.4.5/ http://256.1.1.1/ http://08.1.1.1/ http://a.1/ http://a.0x/
"""
MALFORMED_WITH_SPACE = [
    "",
    "   ",
    "http://example.com/\r\nHost: x",
    "http://ex\tample.com/",
    "http://exa mple.com/",
    "http://example.com\0.good.com/",
    "http://example.com/\ud800",
    "http://a\u200b\u202e.test/",
    "http://" + "a" * 64 + ".test/",
    "http://" + "a." * 150 + "test/",
    "http://example.com/" + "a" * 2048,
]


def code_of(text: str) -> str:
    with pytest.raises(AddressError) as error:
        parse_address(text)
    assert "\n" not in str(error.value)
    assert error.value.remedy
    return error.value.code


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://Example.COM", "https://example.com/"),
        ("  http://example.com/a.jpg \n", "http://example.com/a.jpg"),
        ("http://example.com:80/a.jpg", "http://example.com/a.jpg"),
        ("https://example.com:80/a.jpg", "https://example.com:80/a.jpg"),
        ("http://example.com./a.jpg#part", "http://example.com/a.jpg"),
        ("http://example.com/my photo.jpg?q=a b", "http://example.com/my%20photo.jpg?q=a%20b"),
        ("http://example.com/%20a%2Fb", "http://example.com/%20a%2Fb"),
        ("http://example.com/ümlaut?ö", "http://example.com/%C3%BCmlaut?%C3%B6"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://a_b.example:8080/", "http://a_b.example:8080/"),
        ("http://93.184.215.14/x", "http://93.184.215.14/x"),
        ("http://[2606:4700:0::6810:84e5]:8080/x", "http://[2606:4700::6810:84e5]:8080/x"),
        ("http://example.com:/x", "http://example.com/x"),
    ],
)
def test_an_address_is_put_together_again_in_one_form(text: str, url: str) -> None:
    assert parse_address(text).url == url


@pytest.mark.parametrize("host", LOOPBACK.split())
def test_every_way_to_write_loopback_is_read_as_loopback(host: str) -> None:
    address = parse_address(f"http://{host}/")
    assert (address.host, str(address.ip)) == ("127.0.0.1", "127.0.0.1")


@pytest.mark.parametrize("text", MALFORMED.split() + MALFORMED_WITH_SPACE)
def test_what_is_no_address_or_an_ambiguous_one_is_malformed(text: str) -> None:
    assert code_of(text) == "url_malformed"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://user@example.com/", "a user name"),
        ("http://example.com/a\\b.jpg", "a backslash"),
        ("http://example.com/\x85", "an invisible character"),
        ("http://example.com:70000/", "there is no port 70000"),
        ("http://" + "a" * 64 + ".test/", "its host name"),
        ("http://1.2.3.256/", "no IP address"),
    ],
)
def test_the_reason_is_said(text: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason):
        parse_address(text)


def test_the_longest_address_is_as_long_as_said() -> None:
    longest = "http://example.com/".ljust(2048, "a")
    assert parse_address(longest).url == longest
    assert code_of(longest + "a") == "url_malformed"


@pytest.mark.parametrize(
    "scheme", ["file", "ftp", "data", "gopher", "javascript", "jar", "http+unix", "ws", "view-source", "s3", "HTTPSX"]
)
def test_other_schemes_are_refused_by_name(scheme: str) -> None:
    assert code_of(f"{scheme}:{'x' * 5000}") == "url_scheme"


@pytest.mark.parametrize(
    ("place", "url"),
    [
        ("b.jpg", "https://example.com:8443/pictures/b.jpg"),
        ("/b.jpg?x=1", "https://example.com:8443/b.jpg?x=1"),
        ("//other.test/b", "https://other.test/b"),
        ("http://other.test/b", "http://other.test/b"),
        ("?page=2", "https://example.com:8443/pictures/a.jpg?page=2"),
    ],
)
def test_a_redirect_is_read_relative_to_where_it_came_from(place: str, url: str) -> None:
    assert parse_address(place, base=parse_address("https://example.com:8443/pictures/a.jpg?key=1")).url == url


def test_a_shown_address_keeps_its_query_to_itself() -> None:
    address = parse_address("https://example.com:8443/a.jpg?token=secret")
    assert address.shown == "https://example.com:8443/a.jpg"


def refusal(text: str, *, ports: tuple[int, ...] = (80, 443), allow: tuple[str, ...] = ()) -> str:
    try:
        check_address(parse_address(text), ports=ports, allow=AllowList(allow))
    except AddressError as error:
        return error.code
    return ""


def test_only_public_addresses_at_usual_ports_pass() -> None:
    assert refusal("http://93.184.215.14/") == ""
    assert refusal("http://example.com/") == ""
    assert refusal("http://example.com:22/") == "url_blocked_port"
    assert refusal("http://example.com:8123/", ports=(8123,)) == ""
    assert refusal("http://127.0.0.1:22/") == "url_blocked_address"
    assert refusal("http://[::ffff:93.184.215.14]/") == "url_blocked_address"


def test_an_allowed_host_passes_at_its_port_and_no_other_host_or_port_does() -> None:
    assert refusal("http://127.0.0.1:8123/x", allow=("127.0.0.1:8123",)) == ""
    assert refusal("http://0x7f.1:8123/x", allow=("127.0.0.1:8123",)) == ""
    assert refusal("http://127.0.0.1:8124/x", allow=("127.0.0.1:8123",)) == "url_blocked_address"
    assert refusal("http://127.0.0.2:8123/x", allow=("127.0.0.1:8123",)) == "url_blocked_address"
    assert refusal("http://nas:8080/x", allow=("NAS",)) == ""
    assert refusal("http://nas.example:8080/x", allow=("nas",)) == "url_blocked_port"
    assert refusal("http://[::1]:8123/x", allow=("[::1]:8123",)) == ""
    assert refusal("http://[::1]:9/x", allow=("0:0::1",)) == ""


@pytest.mark.parametrize("entry", ["", "a b", "nas:port", "http://nas", "nas:0", "nas/", "*", "*.local", "user@nas"])
def test_an_allowed_host_that_is_no_host_is_said_at_once(entry: str) -> None:
    with pytest.raises(AddressError, match="fetch_allow"):
        AllowList([entry])


def parsed_or_code(text: str) -> Address | str:
    try:
        return parse_address(text)
    except AddressError as error:
        return error.code


@given(st.text(max_size=60) | st.text("ab.:/@\\[]%#?0x127 \t①。é", max_size=40).map("http://".__add__))
def test_whatever_is_typed_ends_as_an_address_or_as_one_error_and_all_readers_agree_on_its_host(text: str) -> None:
    address = parsed_or_code(text)
    if isinstance(address, str):
        assert address in ("url_malformed", "url_scheme")
        return
    host = f"[{address.host}]" if ":" in address.host else address.host
    prepared = requests.Request("GET", address.url).prepare().url or ""
    assert urllib3.util.parse_url(prepared).host == host
    assert urlsplit(prepared).hostname == address.host
    assert parse_address(address.url) == address
