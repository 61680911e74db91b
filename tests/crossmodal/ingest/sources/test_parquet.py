"""Parquet files as catalogues: the ways pictures lie in them, row by row, and what is no such file."""

import random
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.base import SourceLimits
from crossmodal.ingest.sources.open import open_source
from crossmodal.ingest.sources.parquet import ParquetSource
from crossmodal.ingest.sources.parquet_reader import PictureColumn
from crossmodal.items import Failure, SourceRow

LIMITS = SourceLimits(max_image_bytes=1000, max_rows=500, max_field_chars=100)


def written(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def rows_of(source: ParquetSource) -> list[SourceRow]:
    return [entry for entry in source.rows() if isinstance(entry, SourceRow)]


def test_hugging_faces_image_struct(tmp_path: Path) -> None:
    path = written(
        tmp_path / "x.parquet",
        [
            {"image": {"bytes": b"0", "path": "a.png"}, "caption": ["A mug.", "Red."], "label": 7, "score": 0.5},
            {"image": {"bytes": b"1", "path": None}, "caption": ["Blue."], "label": None, "score": None},
        ],
    )
    source = open_source(path, limits=LIMITS)
    assert isinstance(source, ParquetSource)
    first, second = rows_of(source)
    assert (first.key, first.title, first.captions) == ("x.parquet, row 1", "A mug.", ("A mug.", "Red."))
    assert dict(first.attributes) == {"label": "7", "score": "0.5"}
    assert (second.title, second.captions, dict(second.attributes)) == ("Blue.", (), {})
    assert [source.held(row) for row in (first, second)] == [b"0", b"1"]
    assert source.survey() == 2


def test_bytes_with_their_address(tmp_path: Path) -> None:
    """As img2dataset writes them."""
    source = open_source(
        written(tmp_path / "x.parquet", [{"jpg": b"0", "url": "https://x.test/a.jpg", "caption": "mug"}]), limits=LIMITS
    )
    [row] = source.rows()
    assert isinstance(row, SourceRow)
    assert dict(row.attributes) == {"url": "https://x.test/a.jpg"}
    assert not row.location.startswith("http")
    assert source.held(row) == b"0"


def test_paths_and_addresses(tmp_path: Path) -> None:
    rows = [
        {"url": "https://x.test/a.jpg", "title": "mug", "id": "7", "held_out": True},
        {"url": "img/b.jpg", "title": None, "id": None, "held_out": False},
        {"url": None, "title": "nothing", "id": "9", "held_out": None},
        {"url": "img/b.jpg", "title": None, "id": None, "held_out": False},
        {"url": "img/b.jpg", "title": "another", "id": None, "held_out": False},
        {"url": "c.jpg", "title": "x" * 101, "id": None, "held_out": False},
    ]
    source = ParquetSource(written(tmp_path / "x.parquet", rows), limits=LIMITS)
    entries = list(source.rows())
    assert [entry.key for entry in entries] == ["7", "img/b.jpg", "x.parquet, row 3", "img/b.jpg\nanother", "x.parquet, row 6"]
    assert [entry.code for entry in entries if isinstance(entry, Failure)] == ["row_errors", "csv_field_too_large"]
    first = entries[0]
    assert isinstance(first, SourceRow)
    assert (first.location, first.held_out) == ("https://x.test/a.jpg", True)
    assert source.duplicates == 1
    assert source.held(first) is None


def test_many_files_are_one_catalogue(tmp_path: Path) -> None:
    for part in range(3):
        written(tmp_path / "data" / f"train-{part}.parquet", [{"image": bytes([part, n]), "text": f"{part} {n}"} for n in range(5)])
    source = open_source(tmp_path, limits=LIMITS)
    found = {row.title: source.held(row) for row in rows_of(source)}
    assert found == {f"{part} {n}": bytes([part, n]) for part in range(3) for n in range(5)}


def test_keys_of_a_file_stay_when_another_comes_before_it(tmp_path: Path) -> None:
    written(tmp_path / "b.parquet", [{"image": bytes([n]), "text": f"b {n}"} for n in range(2)])
    before = [row.key for row in rows_of(ParquetSource(tmp_path, limits=LIMITS))]
    assert before == ["b.parquet, row 1", "b.parquet, row 2"]
    written(tmp_path / "a.parquet", [{"image": bytes([n + 7]), "text": "x" * 101 if n == 1 else f"a {n}"} for n in range(3)])
    source = ParquetSource(tmp_path, limits=LIMITS)
    entries = list(source.rows())
    assert [entry.key for entry in entries] == ["a.parquet, row 1", "a.parquet, row 2", "a.parquet, row 3", *before]
    rows = [entry for entry in entries if isinstance(entry, SourceRow)]
    assert [source.held(row) for row in rows] == [b"\7", b"\x09", b"\0", b"\1"]
    [failure] = [entry for entry in entries if isinstance(entry, Failure)]
    assert failure.reason == "a.parquet, row 2, has a cell of 101 characters."


def test_an_id_is_one_rows_and_a_picture_under_several_titles_is_several_rows(tmp_path: Path) -> None:
    """As in a CSV: what an id named before, it does not name again, and no key is given twice."""
    rows = [
        {"id": "1", "url": "u", "title": "A"},
        {"id": "1", "url": "u", "title": "B"},
        {"id": "1", "url": "u", "title": "B"},
        {"id": "1", "url": "u", "title": "A"},
        {"id": "1", "url": "other", "title": "A"},
        {"id": None, "url": "u", "title": "A"},
        {"id": None, "url": "u", "title": "B"},
        {"id": None, "url": "u", "title": "B"},
        {"id": None, "url": "u", "title": "A"},
        {"id": "u\nB", "url": "v", "title": "C"},
    ]
    source = ParquetSource(written(tmp_path / "x.parquet", rows), limits=LIMITS)
    entries = list(source.rows())
    assert [entry.key for entry in entries] == [
        "1", "x.parquet, row 2", "x.parquet, row 3", "x.parquet, row 5", "u", "u\nB", "u B",
    ]  # fmt: skip
    assert source.duplicates == 3
    failed = [entry for entry in entries if isinstance(entry, Failure)]
    assert {entry.code for entry in failed} == {"row_errors"}
    assert failed[0].reason == 'x.parquet, row 2, has the id "1", which an earlier row has already.'
    assert (failed[0].title, failed[0].location) == ("B", "u")


@pytest.mark.slow
@given(
    rows=st.lists(
        st.fixed_dictionaries({name: st.sampled_from([None, "", "1", "u", "u\nA", "A"]) for name in ("id", "url", "title")})
    )
)
@settings(max_examples=100, deadline=None)
def test_no_key_is_given_twice(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str | None]]) -> None:
    schema = pa.schema([(name, pa.string()) for name in ("id", "url", "title")])
    path = tmp_path_factory.mktemp("keys") / "x.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    with suppress(SourceError):  # no rows
        source = ParquetSource(path, limits=LIMITS)
        keys = [entry.key for entry in source.rows()]
        assert len({*keys}) == len(keys) == len(rows) - source.duplicates


@pytest.mark.parametrize("dictionary", [True, False])
def test_pictures_in_any_order(tmp_path: Path, dictionary: bool) -> None:
    cells = [None if n % 17 == 3 else bytes([n % 256]) * (n % 50 + 1) for n in range(700)]
    path = written(tmp_path / "x.parquet", [{"image": cell} for cell in cells], row_group_size=64, use_dictionary=dictionary)
    column = PictureColumn(path, "image", limits=LIMITS)
    order = [*range(700), *range(400, 380, -1), *random.Random(1).sample(range(700), 60), 699, 0]
    assert [column(n) for n in order] == [cells[n] for n in order]
    for outside in (-1, 700):
        with pytest.raises(SourceError):
            column(outside)


def test_a_picture_that_is_too_large_and_too_many_rows(tmp_path: Path) -> None:
    source = ParquetSource(written(tmp_path / "x.parquet", [{"image": bytes(1001)}]), limits=LIMITS)
    with pytest.raises(SourceError, match="1,001 bytes"):
        source.held(rows_of(source)[0])
    many = ParquetSource(written(tmp_path / "many.parquet", [{"image": b"0"}] * 501), limits=LIMITS)
    with pytest.raises(SourceError, match="more than 500"):
        list(many.rows())


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1", b"x" * 100])
def test_what_is_no_parquet_is_said(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(data)
    with pytest.raises(SourceError) as caught:
        open_source(path, limits=LIMITS)
    assert caught.value.code == "file_malformed"


def test_damage_in_the_middle_is_said_and_not_guessed(tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", [{"image": bytes(500), "text": f"{n}" * 50} for n in range(200)], compression="snappy")
    whole = path.read_bytes()
    for start in range(4, len(whole) - 400, max(1, (len(whole) - 400) // 25)):
        path.write_bytes(whole[:start] + b"\xff" * 8 + whole[start + 8 :])
        with suppress(SourceError):  # any other error is a mistake of ours
            source = ParquetSource(path, limits=LIMITS)
            for row in rows_of(source):
                source.held(row)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"use_dictionary": False}, {"use_dictionary": False, "column_encoding": {"title": "DELTA_BYTE_ARRAY"}}]
)
def test_a_cell_that_is_too_long_is_a_row_with_a_reason_and_is_never_unpacked(tmp_path: Path, options: dict[str, Any]) -> None:
    """256 rows that share one text of 2 MiB lie in a file of some kB, and would be half a gigabyte."""
    long = "x" * 2**21
    rows = [{"url": f"{n}.jpg", "title": "mug" if n % 16 else long} for n in range(256)]
    path = written(tmp_path / "x.parquet", rows, compression="zstd", **options)
    limits = SourceLimits()
    before, tracked = pa.total_allocated_bytes(), []
    tracemalloc.start()
    for entry in ParquetSource(path, limits=limits).rows():
        tracked.append(entry)
        assert pa.total_allocated_bytes() - before < 50 * 2**20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 2**20
    failed = [entry for entry in tracked if isinstance(entry, Failure)]
    assert [entry.key for entry in tracked[:18:17]] == ["x.parquet, row 1", "17.jpg"]
    assert {entry.code for entry in failed} == {"csv_field_too_large"}
    assert failed[1].reason == "x.parquet, row 17, has a cell of 2,097,152 characters."
    assert (len(tracked), len(failed)) == (256, 16)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("group", [3, 100])
def test_every_way_that_texts_lie_is_measured(tmp_path: Path, kind: pa.DataType, listed: bool, group: int) -> None:
    texts = ["a", "é" * 100, None, "é" * 101, "d", "", "é" * 300, "h"]
    cells = pa.array([[text, "more"] for text in texts] if listed else texts, pa.list_(kind) if listed else kind)
    paths = [f"{n}.jpg" for n in range(8)]
    images = pa.array([{"bytes": b"0", "path": path} for path in [*paths[:4], "p" * 101, *paths[5:]]])
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": images, "title": cells, "n": list(range(8))}), path, row_group_size=group)
    entries = list(ParquetSource(path, limits=LIMITS).rows())
    assert [entry.reason.split(" cell of ")[-1] for entry in entries if isinstance(entry, Failure)] == [
        "101 characters.",
        "101 characters.",
        "300 characters.",
    ]
    rows = [entry for entry in entries if isinstance(entry, SourceRow)]
    assert [row.attributes["n"] for row in rows] == ["0", "1", "2", "5", "7"]
    assert [row.title for row in rows] == (["a", "é" * 100, "more", "more", "h"] if listed else ["a", "é" * 100, "2", "5", "h"])
    assert rows[0].captions == (("a", "more") if listed else ())


def test_texts_whose_dictionary_ends_midway_are_what_they_were(tmp_path: Path) -> None:
    texts = [f"text {n % 3000}" for n in range(5000)]
    rows = [{"image": {"bytes": b"0", "path": f"{text}.jpg"}, "title": [text, f"{n}"], "n": text} for n, text in enumerate(texts)]
    path = written(tmp_path / "x.parquet", rows, dictionary_pagesize_limit=1000, data_page_size=500, write_batch_size=64)
    found = rows_of(ParquetSource(path, limits=SourceLimits()))
    assert [row.captions for row in found] == [(text, f"{n}") for n, text in enumerate(texts)]
    assert [row.attributes["n"] for row in found] == texts


def test_a_row_that_is_too_long_as_a_whole(tmp_path: Path) -> None:
    limits = SourceLimits(max_row_chars=1000)
    rows = [
        {"url": "a.jpg", "captions": ["x"] * 400},
        {"url": "b.jpg", "captions": ["x"] * 500},
        {"url": "c.jpg", "captions": None},
    ]
    entries = list(ParquetSource(written(tmp_path / "x.parquet", rows), limits=limits).rows())
    assert [getattr(entry, "code", "") for entry in entries] == ["", "csv_field_too_large", ""]
    assert isinstance(entries[1], Failure)
    assert entries[1].reason == "x.parquet, row 2, is longer than 1,000 characters."
    path = written(tmp_path / "many.parquet", [{"url": "a.jpg", "captions": ["x"] * 700}])
    with pytest.raises(SourceError, match="700 texts in a part") as caught:
        list(ParquetSource(path, limits=SourceLimits(max_rows=20)).rows())
    assert caught.value.code == "too_large"


def test_a_part_that_says_it_unpacks_to_far_more_than_it_is_is_refused(tmp_path: Path) -> None:
    rows = [{"url": f"{n}.jpg", "title": "x" * 10_000} for n in range(100)]
    path = written(tmp_path / "x.parquet", rows, compression="zstd", use_dictionary=False)
    assert ParquetSource(path, limits=SourceLimits()).survey() == 100
    with pytest.raises(SourceError, match="unpacks to") as caught:
        ParquetSource(path, limits=SourceLimits(max_unpacked_bytes=2**19))
    assert caught.value.code == "too_large"
    written(path, rows, compression="none", use_dictionary=False)
    assert ParquetSource(path, limits=SourceLimits(max_unpacked_bytes=2**19)).survey() == 100


def test_a_table_without_pictures_or_rows(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column of pictures") as caught:
        open_source(written(tmp_path / "x.parquet", [{"day": "Monday", "degrees": 3}]), limits=LIMITS)
    assert caught.value.code == "csv_missing_columns"
    pq.write_table(pa.table({"image": pa.array([], pa.binary())}), tmp_path / "none.parquet")
    with pytest.raises(SourceError, match="0 rows"):
        open_source(tmp_path / "none.parquet", limits=LIMITS)
