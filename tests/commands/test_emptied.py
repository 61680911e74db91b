"""A collection somebody emptied: it stays empty until somebody fills it again."""

import pytest

from tests.app_parts import csv_source, things
from tests.commands.shell import Shell


def emptied(shell: Shell, how: str) -> None:
    if how == "ids":
        ids = [row[0] for row in shell.lines("list", "-n", 99)]
        shell.lines("remove", *ids)
    else:
        [row] = shell.lines("list", "--catalogues")
        shell.lines("remove", "--catalogue", row[0], "--yes")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ids", "catalogue"])
def test_what_was_removed_does_not_come_back_by_itself(shell: Shell, how: str) -> None:
    emptied(shell, how)
    for _ in range(2):
        result = shell("search", "red disc")
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        assert "The collection is empty" in result.stderr
    assert shell.lines("list", code=1) == []


@pytest.mark.slow
def test_it_can_be_filled_again(shell: Shell) -> None:
    emptied(shell, "catalogue")
    folder = shell.folder / "mine"
    csv_source(folder, things(4, seed=7)).unlink()
    shell.lines("index", folder)
    assert len(shell.lines("search", "red disc")) == 4


def test_a_first_reading_that_was_killed_goes_on(empty_shell: Shell) -> None:
    from crossmodal.store import Store

    with Store(empty_shell.folder / "data" / "catalog.sqlite3") as store:
        store.sources.put("x", kind="csv", location=str(empty_shell.folder / "dataset" / "amazon_products.csv"))
    assert len(empty_shell.lines("search", "red disc", "-k", 20)) == 12
