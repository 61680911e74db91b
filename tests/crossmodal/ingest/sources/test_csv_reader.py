import csv
import io
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.base import SourceLimits
from crossmodal.ingest.sources.csv_reader import Record, RecordReader, encoding_error, open_csv_text

LIMITS = SourceLimits()
TEXT = "title,imgUrl\r\nCafé,a.jpg\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marked_encodings_give_the_same_text_with_its_line_ends(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(TEXT.encode(encoding))
    with open_csv_text(path, limits=LIMITS) as text:
        assert text.read() == TEXT


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        (b"", "csv_empty", "empty"),
        (b"\x1f\x8b\x08\x00", "unsupported_format", "gzip"),
        (b"\x89PNG\r\n\x1a\n", "csv_malformed", "PNG picture"),
        (b"\xff\xd8\xff\xe0", "csv_malformed", "JPEG picture"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "csv_malformed", "old Excel"),
        (b"%PDF-1.7", "csv_malformed", "PDF"),
        (b'[{"id": 1}]', "csv_malformed", "JSON"),
        (b"\xef\xbb\xbf  {}", "csv_malformed", "JSON"),
        (b"<html></html>", "csv_malformed", "web page"),
        ("title,imgUrl\n".encode("utf-16-le"), "csv_encoding", "UTF-8"),
    ],
)
def test_other_kinds_of_files_are_named(tmp_path: Path, data: bytes, code: str, word: str) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=word) as error:
        open_csv_text(path, limits=LIMITS)
    assert error.value.code == code
    assert error.value.remedy


def test_an_excel_file_is_told_from_another_archive(tmp_path: Path) -> None:
    for member, word, code in (("xl/workbook.xml", "Excel", "csv_malformed"), ("a.txt", "zip archive", "unsupported_format")):
        path = tmp_path / "c.csv"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, "x")
        with pytest.raises(SourceError, match=word) as error:
            open_csv_text(path, limits=LIMITS)
        assert error.value.code == code


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, code in ((pipe, "csv_malformed"), (Path("/dev/zero"), "csv_malformed"), (tmp_path / "none", "file_missing")):
        with pytest.raises(SourceError) as error:
            open_csv_text(path, limits=LIMITS)
        assert error.value.code == code


def test_a_file_over_the_size_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"x" * 101)
    with pytest.raises(SourceError) as error:
        open_csv_text(path, limits=SourceLimits(max_csv_bytes=100))
    assert error.value.code == "too_large"


def test_wrong_text_is_reported_with_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"title,imgUrl\nfine,a.jpg\nCaf\xe9,b.jpg\n")
    assert "Line 3" in encoding_error(path, limits=LIMITS).message
    path.write_bytes("title".encode("utf-16") + b"\x00\xd8")
    assert "Line" not in encoding_error(path, limits=LIMITS).message or "Line 1" in encoding_error(path, limits=LIMITS).message


SMALL = SourceLimits(max_field_chars=20, max_row_chars=60, max_row_lines=4)


def read(text: str, *, limits: SourceLimits = LIMITS, delimiter: str = ",") -> list[Record]:
    return list(RecordReader(io.StringIO(text, newline=""), delimiter=delimiter, limits=limits))


def cells(text: str, **options: str) -> list[list[str]]:
    return [record.cells for record in read(text, **options)]  # type: ignore[arg-type]


def test_rows_come_with_the_line_they_began_on() -> None:
    records = read('a,b\r\n\r\n"x\r\ny", z \r\n1,2')
    assert [(record.line, record.cells) for record in records] == [(1, ["a", "b"]), (3, ["x\r\ny", "z"]), (5, ["1", "2"])]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_understood(end: str) -> None:
    assert cells(f"a,b{end}1,2{end}{end}3,4") == [["a", "b"], ["1", "2"], ["3", "4"]]


def test_quotation_marks_as_the_standard_has_them() -> None:
    assert cells('"a,b","say ""hi""",12" screen') == [["a,b", 'say "hi"', '12" screen']]
    assert cells('1, "a, b",2') == [["1", "a, b", "2"]]


def test_an_unclosed_quotation_mark_costs_its_own_line_only() -> None:
    text = "a,b\n" + '1,"never closed\n' + "".join(f"{i},x\n" for i in range(500))
    records = read(text)
    broken = [record for record in records if record.problem]
    assert [(record.line, record.code) for record in broken] == [(2, "csv_malformed")]
    assert "not closed" in broken[0].problem
    assert [record.cells for record in records if not record.problem][1:] == [[str(i), "x"] for i in range(500)]
    assert records[-1].line == 502


def test_a_mark_closed_only_far_below_swallows_nothing() -> None:
    rows = "".join(f"{i},x\n" for i in range(150))
    records = read(f'a,b\n1,"never closed\n{rows}z",y\n')
    assert [record.line for record in records if record.problem] == [2]
    assert len(records) == 153
    few = "".join(f"{i},x\n" for i in range(90))
    assert len(read(f'a,b\n1,"a long text\n{few}z"\n')) == 2


def test_text_after_a_closing_mark_is_a_problem_of_that_row() -> None:
    first, second = read('"abc"def,1\nx,2\n')
    assert (first.code, first.line) == ("csv_malformed", 1)
    assert second.cells == ["x", "2"]


def test_long_rows_and_cells_are_reported_and_passed_over() -> None:
    records = read("a,b\n" + "x" * 1000 + ",1\n" + "y" * 30 + ",2\nz,3\n", limits=SMALL)
    assert [record.code for record in records] == ["", "csv_field_too_large", "csv_field_too_large", ""]
    assert [record.line for record in records] == [1, 2, 3, 4]


def test_a_cell_over_the_own_limit_of_the_csv_module_is_reported() -> None:
    wide = SourceLimits(max_field_chars=10**6)
    assert [record.code for record in read('"' + "x" * 200_000 + '"\nb', limits=wide)] == ["csv_field_too_large", ""]


def test_a_nul_character_is_a_problem_of_its_row() -> None:
    assert [record.code for record in read("a\0b\nc\n")] == ["csv_malformed", ""]
    assert [record.code for record in read('"a\0b"\nc\n')] == ["csv_malformed", ""]


def test_a_file_of_broken_quotation_marks_ends_with_one_error() -> None:
    # Each of these lines opens a cell whether or not it begins inside one, so each would be read again and again.
    with pytest.raises(SourceError, match="never closed") as error:
        read('a","b\n' * 20_000, limits=SourceLimits(max_row_chars=2_000))
    assert error.value.code == "csv_malformed"


TEXT_csv_records = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12).map(str.strip)


@given(rows=st.lists(st.lists(TEXT_csv_records, min_size=2, max_size=4), max_size=8), delimiter=st.sampled_from(",;\t|"))
@settings(max_examples=150, deadline=None)
def test_what_the_csv_module_writes_is_read_as_it_was(rows: list[list[str]], delimiter: str) -> None:
    rows = [[cell.replace("\r", "").strip() for cell in row] for row in rows]
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
    assert cells(file.getvalue(), delimiter=delimiter) == rows


@given(text=st.text(st.sampled_from('ab",\n\r\0\x85\u2028 ;'), max_size=200), limits=st.sampled_from([LIMITS, SMALL]))
@settings(max_examples=300, deadline=None)
def test_any_text_ends_as_rows_and_every_line_is_counted_once(text: str, limits: SourceLimits) -> None:
    try:
        records = read(text, limits=limits)
    except SourceError:
        return
    lines = io.StringIO(text, newline="").readlines()
    numbers = [record.line for record in records]
    assert numbers == sorted(set(numbers))
    assert not numbers or 1 <= numbers[0] <= numbers[-1] <= len(lines)
    for record in records:
        assert bool(record.problem) == bool(record.code)
        assert all(len(cell) <= limits.max_field_chars for cell in record.cells)


def plain_copy(lines: list[str]) -> list[tuple[int, list[str] | None]]:
    """The same by trying ever more lines for each row; None where none of them makes a row."""
    rows: list[tuple[int, list[str] | None]] = []
    at = 0
    while at < len(lines):
        taken = 1
        if lines[at].strip():
            parsed = None
            for taken in range(1, len(lines) - at + 1):
                try:
                    [parsed] = csv.reader(lines[at : at + taken], strict=True, skipinitialspace=True)
                except csv.Error:
                    continue
                break
            rows.append((at + 1, None if parsed is None else [cell.strip() for cell in parsed]))
            taken = 1 if parsed is None else taken
        at += taken
    return rows


@given(text=st.text(st.sampled_from('ab",\n '), max_size=120))
@settings(max_examples=400, deadline=None)
def test_rows_and_broken_lines_are_those_of_a_plain_copy(text: str) -> None:
    expected = plain_copy(io.StringIO(text, newline="").readlines())
    assert [(record.line, None if record.problem else record.cells) for record in read(text)] == expected
