"""How much a catalogue may be: past these, a file is refused or a row is reported."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CatalogueLimits:
    """Bounds of reading; every one exists so that a file from a stranger costs bounded time and memory.

    Attributes:
        max_csv_bytes: largest CSV file, as it lies on the disk.
        max_rows: most rows of a CSV, most pictures of a folder.
        max_columns: widest header.
        max_field_chars: longest cell; 32,767 is what the cell of a spreadsheet can hold.
        max_row_chars: longest row, line breaks inside quotation marks included.
        max_row_lines: most lines one row may span; a row longer than that is a quotation mark that was never closed.
        max_image_bytes: largest picture file.
        max_text_bytes: largest text file beside a picture.
        max_archive_bytes: largest ZIP, Parquet or tar file.
        max_directory_bytes: longest table of contents of a ZIP; it is read into memory as a whole, at about ten times its length.
        max_ratio: how many times smaller than itself a picture may lie in a ZIP; pictures are compressed already and barely shrink.
        max_unpacked_bytes: what columns of a Parquet file's row group that are packed smaller than that may unpack to together.
    """

    max_csv_bytes: int = 2**30
    max_rows: int = 1_000_000
    max_columns: int = 200
    max_field_chars: int = 32_767
    max_row_chars: int = 2**20
    max_row_lines: int = 100
    max_image_bytes: int = 20 * 2**20
    max_text_bytes: int = 2**16
    max_archive_bytes: int = 2**36
    max_directory_bytes: int = 2**25
    max_ratio: int = 200
    max_unpacked_bytes: int = 2**27
