from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodal.errors import HTTP_STATUS, SourceError
from crossmodal.ingest.sources.base import SourceLimits, Unread
from crossmodal.ingest.sources.csv import CsvSource
from crossmodal.items import Failure, SourceRow

LIMITS = SourceLimits()


def source(folder: Path, text: str | bytes, *, limits: SourceLimits = LIMITS) -> CsvSource:
    path = folder / "things.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return CsvSource(path, limits=limits)


def read(folder: Path, text: str | bytes) -> tuple[list[SourceRow], list[Failure]]:
    entries = list(source(folder, text).rows())
    return [entry for entry in entries if isinstance(entry, SourceRow)], [entry for entry in entries if isinstance(entry, Failure)]


def test_cells_stay_the_text_they_are(tmp_path: Path) -> None:
    rows, failures = read(tmp_path, "id,title,imgUrl,price\n007,NA,a.jpg,1e5\n7,null,b.jpg,\n")
    assert failures == []
    assert [(row.key, row.title, row.location, row.line, dict(row.attributes)) for row in rows] == [
        ("007", "NA", "a.jpg", 2, {"id": "007", "price": "1e5"}),
        ("7", "null", "b.jpg", 3, {"id": "7"}),
    ]


def test_the_amazon_layout(tmp_path: Path) -> None:
    header = "asin,title,imgUrl,productURL,stars,reviews,price,listPrice,category_id,isBestSeller,boughtInLastMonth"
    [row], _ = read(tmp_path, f"{header}\nB01,Mug,https://x.test/m.jpg,https://x.test/p,4.5,0,9.99,0.0,104,False,2000\n")
    assert (row.key, row.title, row.location, row.captions) == ("B01", "Mug", "https://x.test/m.jpg", ())
    assert row.attributes["productURL"] == "https://x.test/p"
    assert set(row.attributes) == set(header.split(",")) - {"title", "imgUrl"}


def test_captions_of_one_picture_are_one_item_wherever_they_stand(tmp_path: Path) -> None:
    text = "image,caption,split\na.jpg,A dog.,dev\nb.jpg,A cat.,dev\na.jpg,A brown dog.,dev\na.jpg,A dog.,dev\nb.jpg,,dev\nc.jpg,,dev\n"
    table = source(tmp_path, text)
    rows = [row for row in table.rows() if isinstance(row, SourceRow)]
    assert [(row.key, row.title, row.captions) for row in rows] == [
        ("a.jpg", "A dog.", ("A dog.", "A brown dog.")),
        ("b.jpg", "A cat.", ("A cat.",)),
        ("c.jpg", "c", ()),
    ]
    assert rows[0].attributes == {"split": "dev"}
    assert table.duplicates == 1
    assert table.survey() == 3


def test_without_an_id_the_location_is_the_key_with_the_title_where_it_is_shared(tmp_path: Path) -> None:
    rows, failures = read(tmp_path, "title,imgUrl\nMug,a.jpg\nCup,a.jpg\nMug,a.jpg\nCup,a.jpg\nHat,b.jpg\n")
    assert failures == []
    assert [row.key for row in rows] == ["a.jpg", "a.jpg\nCup", "b.jpg"]


def test_a_repeated_row_is_counted_and_another_thing_under_its_id_is_refused(tmp_path: Path) -> None:
    table = source(tmp_path, "id,title,imgUrl\n1,Mug,a.jpg\n1,Mug,a.jpg\n1,Cup,b.jpg\n2,Hat,c.jpg\n")
    entries = list(table.rows())
    assert [entry.key for entry in entries] == ["1", "line 4", "2"]
    assert table.duplicates == 1
    [failure] = [entry for entry in entries if isinstance(entry, Failure)]
    assert (failure.code, failure.title, failure.location) == ("row_errors", "Cup", "b.jpg")
    assert '"1"' in failure.reason


def test_a_row_whose_id_is_blank_is_known_by_its_location(tmp_path: Path) -> None:
    rows, failures = read(tmp_path, "id,title,imgUrl\n,Mug,a.jpg\n,Cup,a.jpg\n")
    assert [row.key for row in rows] == ["a.jpg", "a.jpg\nCup"]
    assert failures == []


@pytest.mark.parametrize("nothing", ["", "NaN", "nan", "null", "None", "N/A", "#N/A", "-", "0", "  ", "\u200b"])
def test_a_row_without_an_address_is_a_failure_with_its_line(tmp_path: Path, nothing: str) -> None:
    rows, [failure] = read(tmp_path, f"id,title,imgUrl\n1,Mug,a.jpg\n2,Cup,{nothing}\n")
    assert len(rows) == 1
    assert failure.code == "row_errors"
    assert failure.title == "Cup"
    assert "Line 3" in failure.reason
    assert failure.remedy


def test_ragged_rows_are_failures_but_trailing_commas_are_not(tmp_path: Path) -> None:
    rows, failures = read(tmp_path, "title,imgUrl,price\nMug,a.jpg\nCup,b.jpg,1,,\nHat,c.jpg,1,x\n\n,,\n")
    assert [row.title for row in rows] == ["Cup"]
    assert [failure.reason for failure in failures] == [
        "Line 2 has 2 cells, the header has 3.",
        "Line 4 has 4 cells, the header has 3.",
        "Line 6 has no picture address.",
    ]


def test_what_a_broken_line_may_have_been_is_not_gone(tmp_path: Path) -> None:
    def hidden(text: str) -> list[tuple[str, ...]]:
        return [entry.beginnings for entry in source(tmp_path, text).rows() if isinstance(entry, Unread)]

    assert hidden("title,imgUrl,price\nMug,a.jpg\nCup,b.jpg,1\nHat,c.jpg,1,x\n") == [("Mug", "a.jpg"), ("Hat", "c.jpg", "1", "x")]
    assert hidden("id,title,imgUrl\n7,Mug,\n8,Cup,b.jpg\n") == [("7",)]
    assert hidden('title,imgUrl\nCup,b.jpg\n"Mug,a.jpg\n') == [("",)], "nobody knows what it was, or how many"


def test_a_blank_title_is_made_from_the_file_name(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "title,imgUrl\n,red_mug.jpg\n\u200b,https://x.test/blue-hat.png?x=1\n")
    assert [row.title for row in rows] == ["red mug", "blue hat"]


@pytest.mark.parametrize(("text", "held_out"), [("yes", True), ("TRUE", True), ("1", True), ("no", False), ("", False)])
def test_held_out(tmp_path: Path, text: str, held_out: bool) -> None:
    [row], _ = read(tmp_path, f"title,imgUrl,held_out\nMug,a.jpg,{text}\n")
    assert row.held_out is held_out
    assert row.attributes == {}


@pytest.mark.parametrize("preface", ["", "\ufeff", "sep=;\n", "# exported today\n", "\n\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_and_what_programs_write_before_the_header(tmp_path: Path, preface: str, delimiter: str) -> None:
    text = preface + f"title{delimiter}imgUrl\nMug, large{delimiter}a.jpg\n".replace(", large", " large")
    rows, failures = read(tmp_path, text)
    assert failures == []
    assert [(row.title, row.location) for row in rows] == [("Mug large", "a.jpg")]


def test_a_file_without_rows_or_with_too_many_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="0 rows") as error:
        source(tmp_path, "title,imgUrl\n\n")
    assert error.value.code == "csv_no_rows"
    limits = SourceLimits(max_rows=3)
    row = "Mug {0},{0}.jpg\n"
    assert source(tmp_path, "title,imgUrl\n" + "".join(map(row.format, range(3))), limits=limits).survey() == 3
    with pytest.raises(SourceError) as error:
        source(tmp_path, "title,imgUrl\n" + "".join(map(row.format, range(4))), limits=limits).survey()
    assert error.value.code == "csv_too_many_rows"


def test_wrong_text_anywhere_refuses_the_file_rather_than_store_wrong_letters(tmp_path: Path) -> None:
    table = source(tmp_path, b"title,imgUrl\n" + b"Mug,a.jpg\n" * 3000 + b"Caf\xe9,b.jpg\n")
    with pytest.raises(SourceError, match="Line 3002") as error:
        table.survey()
    assert error.value.code == "csv_encoding"


def test_keys_are_the_same_at_every_reading_and_a_title_may_change(tmp_path: Path) -> None:
    before, _ = read(tmp_path, "title,imgUrl\nMug,a.jpg\nHat,b.jpg\n")
    after, _ = read(tmp_path, "title,imgUrl\nHat,b.jpg\nBetter mug,a.jpg\n")
    assert {row.key for row in before} == {row.key for row in after}


WILD = st.text(st.characters(blacklist_categories=["Cs"]), max_size=300) | st.text(
    st.sampled_from('title,imgUrl;id"\n\r\t|#sep= a.jpg\0'), max_size=200
)


@pytest.mark.slow
@given(text=WILD, header=st.sampled_from(["", "title,imgUrl\n", "id;title;image\n", "image,caption\n"]))
@settings(max_examples=300, deadline=None)
def test_any_text_is_rows_and_failures_or_one_clear_error(tmp_path_factory: pytest.TempPathFactory, text: str, header: str) -> None:
    folder = tmp_path_factory.mktemp("wild")
    try:
        table = source(folder, header + text)
        entries = list(table.rows())
    except SourceError:
        return
    assert len({entry.key for entry in entries}) == len(entries)
    assert table.survey() == len(entries)
    for entry in entries:
        if isinstance(entry, SourceRow):
            assert entry.location.strip() == entry.location != ""
            assert entry.title
        else:
            assert entry.reason
            assert entry.remedy
            assert entry.code in HTTP_STATUS


@given(data=st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_rows_and_failures_or_one_clear_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("wild")
    for head in (b"", b"title,imgUrl\n"):
        try:
            source(folder, head + data).survey()
        except SourceError:
            continue
