from crossmodal.ingest.sources.base import shown


def test_shown_values_are_short_visible_and_on_one_line() -> None:
    assert shown("a\x1b[31m\u202eb\nc") == '"a [31m b c"'
    assert shown("x" * 1000) == '"' + "x" * 60 + '…"'
    assert shown("abc", most=2) == '"ab…"'
    assert shown("\0" * 1000) == '"…"'
