import pytest

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.base import SourceLimits
from crossmodal.ingest.sources.csv_columns import is_header, read_columns

LIMITS = SourceLimits()
AMAZON = [
    "asin", "title", "imgUrl", "productURL", "stars", "reviews", "price", "listPrice", "category_id", "isBestSeller",
    "boughtInLastMonth",
]  # fmt: skip


def test_the_amazon_layout() -> None:
    columns = read_columns(AMAZON, limits=LIMITS)
    assert (columns.picture, columns.words, columns.captions, columns.item_id, columns.held_out) == (2, 1, False, 0, None)
    assert [name for _, name in columns.attributes] == [name for name in AMAZON if name not in ("title", "imgUrl")]


def test_the_caption_layout_has_no_item_id() -> None:
    columns = read_columns(["image", "caption", "split", "id"], limits=LIMITS)
    assert (columns.picture, columns.words, columns.captions, columns.item_id) == (0, 1, True, None)
    assert columns.attributes == ((2, "split"), (3, "id"))


@pytest.mark.parametrize(
    ("header", "picture", "words"),
    [
        (["Title", "Image URL"], 1, 0),
        (["IMAGE_URL", "NAME"], 0, 1),
        (["img", "name"], 0, 1),
        (["product_name", "file-name"], 1, 0),
        (["url", "image", "title"], 1, 2),
        (["name", "title", "picture"], 2, 1),
        (["image_name", "comment_number", "comment"], 0, 2),
    ],
)
def test_other_names_of_the_same_columns(header: list[str], picture: int, words: int) -> None:
    columns = read_columns(header, limits=LIMITS)
    assert (columns.picture, columns.words) == (picture, words)
    assert is_header(header)


def test_columns_without_a_name_are_not_read() -> None:
    assert read_columns(["", "title", "imgUrl", ""], limits=LIMITS).attributes == ()


def test_a_held_out_column_is_no_attribute() -> None:
    columns = read_columns(["title", "imgUrl", "held_out"], limits=LIMITS)
    assert (columns.held_out, columns.attributes) == (2, ())


@pytest.mark.parametrize(
    ("header", "code", "words"),
    [
        (["id", "imgUrl"], "csv_missing_columns", ['"title"', '"id", "imgUrl"']),
        (["id", "title"], "csv_missing_columns", ['"imgUrl"', '"id", "title"']),
        (["a", "b"], "csv_missing_columns", ['"title"', '"imgUrl"', '"a", "b"']),
        (["title", "imgUrl", "Title"], "csv_duplicate_columns", ['"Title"']),
        (["title", "imgUrl", *map(str, range(300))], "csv_too_wide", ["302", "200"]),
    ],
)
def test_a_header_that_cannot_be_used_is_refused_in_words(header: list[str], code: str, words: list[str]) -> None:
    with pytest.raises(SourceError) as error:
        read_columns(header, limits=LIMITS)
    assert error.value.code == code
    assert all(word in error.value.message for word in words)
