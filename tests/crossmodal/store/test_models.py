"""A new title makes the embeddings of every model that reads titles wrong, not only those of the model in use."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.made_up import MODEL_ID, made_up_embeddings, made_up_item
from crossmodal.indexes.synced import SyncedIndex
from crossmodal.items import Item
from crossmodal.store import ItemTexts, Store

OLD, NEW = "old", MODEL_ID
ROWS = made_up_embeddings(4, 64, seed=9)


@pytest.fixture
def items(store: Store) -> list[Item]:
    entries = [made_up_item(number) for number in range(4)]
    return store.items.add_many(entries, model_id=NEW, other_embeddings={OLD: list(ROWS)})


def lacking(store: Store) -> dict[str, list[int]]:
    return {model_id: [item.item_id for item in store.embeddings.missing(model_id, 9)] for model_id in (OLD, NEW)}


def rename_by_hand(store: Store, reads: bool) -> None:
    store.items.edit(2, title="another", title_embeddings={NEW: ROWS[0]} if reads else None)


def rename_in_the_source(store: Store, reads: bool) -> None:
    store.items.update_texts([ItemTexts(made_up_item(1).key, "another")], title_models=[NEW] if reads else [])


def rename_with_its_picture(store: Store, reads: bool) -> None:
    entry = replace(made_up_item(1), title="another")
    store.items.add(replace(entry, embedding=ROWS[0]) if reads else entry, model_id=NEW)


WAYS = pytest.mark.parametrize("rename", [rename_by_hand, rename_in_the_source, rename_with_its_picture])
Way = Callable[[Store, bool], None]


@WAYS
@pytest.mark.parametrize(("known", "active"), [(True, True), (True, False), (False, True)])
def test_a_former_model_that_reads_titles_makes_the_embedding_again(
    store: Store, items: list[Item], rename: Way, known: bool, active: bool
) -> None:
    if active:
        store.models.set_initial(NEW, instead_of=None)
    if known:
        store.models.set_reads_titles(OLD, True)
    rename(store, True)
    assert lacking(store) == {OLD: [2], NEW: [2] if rename is rename_in_the_source else []}
    if rename is not rename_in_the_source:
        assert np.array_equal(store.embeddings.get(2, NEW), ROWS[0])


@WAYS
def test_one_that_reads_pictures_alone_keeps_it(store: Store, items: list[Item], rename: Way) -> None:
    store.models.set_reads_titles(OLD, False)
    store.models.set_initial(NEW, instead_of=None)
    rename(store, False)
    assert lacking(store) == {OLD: [], NEW: []}
    assert np.array_equal(store.embeddings.get(2, OLD), ROWS[1])


@WAYS
def test_the_model_in_use_keeps_it_unless_it_is_said_to_read_titles(store: Store, items: list[Item], rename: Way) -> None:
    store.models.set_initial(NEW, instead_of=None)
    rename(store, False)
    assert lacking(store) == {OLD: [2], NEW: []}


def test_what_a_program_said_of_its_model_is_remembered(store: Store, items: list[Item]) -> None:
    """The model in use now was switched to by another program; this one still names the former."""
    store.items.update_texts([ItemTexts(made_up_item(0).key, "another")], title_models=[NEW])
    store.models.set_initial(OLD, instead_of=None)
    store.models.set_initial(NEW, instead_of=OLD)
    store.items.update_texts([ItemTexts(made_up_item(1).key, "another")], title_models=[OLD])
    assert lacking(store) == {OLD: [2], NEW: [1, 2]}


def test_the_same_title_and_other_words_change_nothing(store: Store, items: list[Item]) -> None:
    store.models.set_initial(NEW, instead_of=None)
    store.models.set_reads_titles(OLD, True)
    store.items.edit(2, title=items[1].title, attributes={"colour": "red"})
    store.items.update_texts([ItemTexts(made_up_item(2).key, items[2].title, captions=("new",))], title_models=[NEW])
    store.items.add(replace(made_up_item(3), captions=("new",)), model_id=NEW)
    assert lacking(store) == {OLD: [], NEW: []}


def test_the_indexes_follow(store: Store, items: list[Item], tmp_path: Path) -> None:
    store.models.set_initial(NEW, instead_of=None)
    old, new = (SyncedIndex(store, name, embed_dim=64, path=tmp_path / f"{name}.pt") for name in (OLD, NEW))
    rename_by_hand(store, True)
    assert [len(old.search(ROWS[:1], 9)[0]), len(new.search(ROWS[:1], 9)[0])] == [3, 4]
    assert new.search(ROWS[:1], 1)[0][0][0] == 2
