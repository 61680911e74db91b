from pathlib import Path

import pytest

from crossmodal.errors import CrossmodalError, FetchError, SourceError
from crossmodal.ingest.picture_loader import PictureLoader, host_of, scheme_of
from crossmodal.items import SourceRow


def fetch(url: str) -> bytes:
    if "missing" in url:
        raise FetchError("http_status", "That address answered 404 (not found).")
    return b"bytes of " + url.encode()


def load(folder: Path, location: str, **options: object) -> bytes:
    loader = PictureLoader(folder, fetch=fetch, max_image_bytes=100, **options)  # type: ignore[arg-type]
    return loader(SourceRow(key="1", title="Mug", location=location))


def test_addresses_go_to_the_fetcher_and_paths_to_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    (tmp_path / "a:b.jpg").write_bytes(b"colon")
    assert load(tmp_path, "https://x.test/a.jpg") == b"bytes of https://x.test/a.jpg"
    assert load(tmp_path, "HTTP://x.test/a.jpg") == b"bytes of HTTP://x.test/a.jpg"
    assert load(tmp_path, "a.jpg") == b"abc"
    assert load(tmp_path, "./a:b.jpg") == b"colon"


def test_pictures_in_the_usual_folders_beside_the_table_are_found(tmp_path: Path) -> None:
    (tmp_path / "images" / "deep").mkdir(parents=True)
    (tmp_path / "images" / "a.jpg").write_bytes(b"abc")
    (tmp_path / "images" / "deep" / "b.jpg").write_bytes(b"bcd")
    assert load(tmp_path, "a.jpg") == b"abc"
    assert load(tmp_path, "deep/b.jpg") == b"bcd"
    (tmp_path / "a.jpg").write_bytes(b"nearer")
    assert load(tmp_path, "a.jpg") == b"nearer"


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("file:///etc/passwd", "url_scheme"),
        ("javascript:alert(1)", "url_scheme"),
        ("data:image/png;base64,AAAA", "url_scheme"),
        ("ftp://evil.test/x.jpg", "url_scheme"),
        ("/etc/passwd", "path_outside"),
        ("..\\..\\x", "path_outside"),
        ("\\\\evil\\share", "path_outside"),
        ("C:\\x.jpg", "path_outside"),
        ("none.jpg", "file_missing"),
        ("x" * 5000, "file_missing"),
        ("http://x.test/missing.jpg", "http_status"),
    ],
)
def test_everything_else_is_one_error_of_the_family(tmp_path: Path, location: str, code: str) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(CrossmodalError) as error:
        load(tmp_path, location)
    assert error.value.code == code


def test_the_usual_folders_may_not_be_links_that_lead_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(b"secret")
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / "images").symlink_to(outside)
    with pytest.raises(SourceError) as error:
        load(folder, "a.jpg")
    assert error.value.code == "path_outside"


def test_without_a_fetcher_addresses_are_refused(tmp_path: Path) -> None:
    loader = PictureLoader(tmp_path, fetch=None, max_image_bytes=100)
    with pytest.raises(CrossmodalError) as error:
        loader(SourceRow(key="1", title="Mug", location="http://x.test/a.jpg"))
    assert error.value.code == "url_scheme"


@pytest.mark.parametrize(
    ("location", "scheme", "host"),
    [
        ("http://X.test:8080/a", "http", "x.test"),
        ("HTTPS://x.test", "https", "x.test"),
        ("a.jpg", "", ""),
        ("C:\\a.jpg", "", ""),
        ("./a:b", "", ""),
        ("ftp://x.test/a", "ftp", ""),
        ("http://user@x.test/", "http", "http://user@x.test/"),
    ],
)
def test_schemes_and_hosts(location: str, scheme: str, host: str) -> None:
    assert (scheme_of(location), host_of(location)) == (scheme, host)
