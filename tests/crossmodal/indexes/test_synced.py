"""The index follows the catalog: whoever writes, however it was closed, whatever became of its file."""

import dataclasses
import logging
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from benchmarks.made_up import MODEL_ID, made_up_embeddings, made_up_item
from crossmodal.errors import StoreError
from crossmodal.indexes.base import IndexTag
from crossmodal.indexes.exact import ExactIndex
from crossmodal.indexes.synced import SyncedIndex
from crossmodal.items import Item
from crossmodal.store import Store
from crossmodal.store.changes import ChangeFeeds, Feed
from crossmodal.store.checksums import embedding_checksum

PROJECT = Path(__file__).resolve().parents[3]
DIM = 64


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "catalog.sqlite3") as opened:
        yield opened


@pytest.fixture
def items(store: Store) -> list[Item]:
    return store.items.add_many([made_up_item(number) for number in range(20)], model_id=MODEL_ID)


def opened(store: Store, *, model_id: str = MODEL_ID, path: Path | None = None) -> SyncedIndex:
    return SyncedIndex(store, model_id, embed_dim=DIM, path=path or store.path.with_name("image_features.pt"))


def nearest_to(index: SyncedIndex, number: int) -> int:
    hits = index.search(made_up_item(number).embedding[None], 1)[0]
    return hits[0][0] if hits else 0


def test_what_is_added_replaced_removed_and_restored_is_found_so(store: Store, items: list[Item]) -> None:
    index = opened(store)
    assert nearest_to(index, 3) == items[3].item_id
    new, _ = store.items.add(made_up_item(30), model_id=MODEL_ID)
    assert nearest_to(index, 30) == new.item_id
    store.items.add(dataclasses.replace(made_up_item(31), key=made_up_item(3).key), model_id=MODEL_ID)
    assert nearest_to(index, 31) == items[3].item_id
    assert nearest_to(index, 3) != items[3].item_id
    store.items.remove([items[4].item_id])
    assert nearest_to(index, 4) != items[4].item_id
    assert len(index) == 20
    store.items.restore([items[4].item_id])
    assert nearest_to(index, 4) == items[4].item_id
    assert len(index) == 21


def test_only_allowed_items_are_found(store: Store, items: list[Item]) -> None:
    index = opened(store)
    hits = index.search(made_up_item(3).embedding[None], 20, allowed=[items[4].item_id, items[3].item_id])[0]
    assert [item_id for item_id, _ in hits] == [items[3].item_id, items[4].item_id]


@pytest.mark.parametrize("earlier", [False, True])
def test_scores_are_cosines_whatever_the_lengths_that_came_in(store: Store, earlier: bool) -> None:
    """Lengths may be a little off where vectors come from elsewhere; `earlier`: as versions that stored them so left them."""
    direction, aside = np.zeros(DIM), np.zeros(DIM)
    direction[:2], aside[:2] = (0.6, 0.8), (0.6012, 0.7991)
    aside /= np.linalg.norm(aside)
    for number, row in enumerate((direction * 0.9992, direction * 1.0009, aside * 1.0009)):
        store.items.add(dataclasses.replace(made_up_item(number), embedding=row.astype(np.float32)), model_id=MODEL_ID)
        if earlier:
            blob = row.astype("<f4").tobytes()
            checksum = embedding_checksum(made_up_item(number).picture.content_hash, MODEL_ID, blob)
            with store._database.writing() as db:
                db.execute("UPDATE embeddings SET embedding = ?, checksum = ? WHERE item_id = ?", (blob, checksum, number + 1))
    index = opened(store)
    hits = index.search(direction.astype(np.float32)[None], 3)[0]
    assert [item_id for item_id, _ in hits] == [1, 2, 3]
    assert [score for _, score in hits] == pytest.approx([1.0, 1.0, float(direction @ aside)], abs=1e-7)
    index.close()
    assert opened(store).refused is None


def test_the_first_opening_builds_and_the_second_loads(store: Store, items: list[Item]) -> None:
    index = opened(store)
    assert index.refused is not None
    assert index.refused.code == "index_missing"
    index.close()
    again = opened(store)
    assert again.refused is None
    assert nearest_to(again, 7) == items[7].item_id


def test_what_happened_since_the_file_was_saved_is_taken_in(store: Store, items: list[Item]) -> None:
    opened(store).close()
    store.items.remove([items[0].item_id, items[1].item_id])
    store.items.restore([items[1].item_id])
    new, _ = store.items.add(made_up_item(30), model_id=MODEL_ID)
    store.items.add(dataclasses.replace(made_up_item(31), key=made_up_item(3).key), model_id=MODEL_ID)
    index = opened(store)
    assert index.refused is None
    assert len(index) == 20
    assert [nearest_to(index, number) for number in (1, 30, 31)] == [items[1].item_id, new.item_id, items[3].item_id]
    assert nearest_to(index, 0) != items[0].item_id


def test_the_file_is_written_only_when_something_changed(store: Store, items: list[Item]) -> None:
    index = opened(store)
    index.save()
    index.path.unlink()
    index.save()
    assert not index.path.exists()
    store.items.remove([items[0].item_id])
    index.refresh()
    index.save()
    assert index.path.exists()


def test_a_broken_file_is_built_anew(store: Store, items: list[Item]) -> None:
    index = opened(store)
    index.close()
    index.path.write_bytes(index.path.read_bytes()[:-100])
    again = opened(store)
    assert again.refused is not None
    assert again.refused.code == "index_corrupt"
    assert nearest_to(again, 5) == items[5].item_id
    again.close()
    assert opened(store).refused is None


def test_an_index_of_another_store_is_not_used(store: Store, items: list[Item], tmp_path: Path) -> None:
    index = opened(store)
    index.close()
    with Store(tmp_path / "second.sqlite3") as second:
        second.items.add_many([made_up_item(number) for number in range(100, 120)], model_id=MODEL_ID)
        other = opened(second, path=index.path)
        assert other.refused is not None
        assert other.refused.code == "index_model_mismatch"
        assert nearest_to(other, 100) > 0


def test_a_collection_restored_from_a_copy_is_noticed(store: Store, items: list[Item], tmp_path: Path) -> None:
    """The file is ahead of the copy, and the copy goes another way from there."""
    copy = tmp_path / "copy.sqlite3"
    store.close()
    shutil.copy(store.path, copy)
    with Store(store.path) as ahead:
        ahead.items.add_many([made_up_item(number) for number in range(30, 33)], model_id=MODEL_ID)
        opened(ahead).close()
    with Store(copy) as restored:
        added = restored.items.add_many([made_up_item(number) for number in range(50, 53)], model_id=MODEL_ID)
        index = opened(restored)
        assert index.refused is not None
        assert [nearest_to(index, number) for number in (50, 51, 52)] == [item.item_id for item in added]


@pytest.mark.parametrize("before", [[], [5]])
def test_a_copy_that_differs_in_its_removals_alone_is_noticed(
    store: Store, items: list[Item], tmp_path: Path, before: list[int]
) -> None:
    copy = tmp_path / "copy.sqlite3"
    store.items.remove(before)
    store.close()
    shutil.copy(store.path, copy)
    with Store(store.path) as ahead:
        ahead.items.remove([1])
        opened(ahead).close()
    with Store(copy) as restored:
        restored.items.remove([2])
        index = opened(restored)
        assert index.refused is not None
        assert index.refused.code == "index_model_mismatch"
        assert (nearest_to(index, 0), nearest_to(index, 1) == 2) == (1, False)
        index.close()
        assert opened(restored).refused is None


def test_a_search_never_sees_an_item_gone_that_is_only_announced_anew(
    store: Store, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, shown = opened(store), list[int]()
    settle = ExactIndex._settle
    monkeypatch.setattr(ExactIndex, "_settle", lambda self: (settle(self), shown.append(len(self))))
    store.items.remove([items[3].item_id])
    store.items.restore([items[3].item_id])
    assert nearest_to(index, 3) == items[3].item_id
    assert shown == [20]


def test_a_file_whose_count_is_wrong_is_built_anew(store: Store, items: list[Item]) -> None:
    index = opened(store)
    index._index.remove([items[2].item_id])
    index.close()
    again = opened(store)
    assert again.refused is not None
    assert again.refused.code == "index_corrupt"
    assert nearest_to(again, 2) == items[2].item_id


def test_models_never_mix(store: Store, items: list[Item]) -> None:
    opened(store).close()
    rows = made_up_embeddings(20, DIM, seed=5)
    store.embeddings.add("next", list(zip(items, rows, strict=True)))
    index = opened(store, model_id="next")
    assert index.refused is not None
    assert index.refused.code == "index_model_mismatch"
    assert index.search(rows[3:4], 1)[0][0][0] == items[3].item_id
    assert len(opened(store, model_id="unheard of")) == 0


def test_a_damaged_embedding_is_told_and_can_be_made_again(store: Store, items: list[Item]) -> None:
    with store._database.writing() as db:
        db.execute("UPDATE embeddings SET embedding = zeroblob(256) WHERE item_id = ?", (items[2].item_id,))
    with pytest.raises(StoreError) as raised:
        opened(store)
    assert raised.value.code == "index_corrupt"
    assert f"Item {items[2].item_id} " in str(raised.value)
    store.changes.drop_damaged(MODEL_ID)
    for item in store.embeddings.missing(MODEL_ID, 10):
        store.embeddings.add(MODEL_ID, [(item, made_up_item(2).embedding)])
    assert nearest_to(opened(store), 2) == items[2].item_id


def test_closing_where_nothing_can_be_written_is_only_logged(
    store: Store, items: list[Item], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index = opened(store)

    def full(*_: object, **__: object) -> None:
        raise StoreError("disk_full", "The disk is full.", remedy="Free some space.")

    monkeypatch.setattr("crossmodal.indexes.cache_file.write", full)
    with caplog.at_level(logging.WARNING):
        index.close()
    assert "The disk is full. Free some space." in caplog.text
    with pytest.raises(StoreError):
        index.save()


def test_rebuilding_does_not_stop_searches(store: Store, items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    index = opened(store)
    reading, done = threading.Event(), threading.Event()
    changes = ChangeFeeds.since

    def slow(self: ChangeFeeds, model_id: str, *, after_seq: int = 0, after_removal: int = 0, feed: Feed = "images") -> object:
        answer = changes(self, model_id, after_seq=after_seq, after_removal=after_removal, feed=feed)
        if after_seq == 0:
            reading.set()
            done.wait(20)
        return answer

    monkeypatch.setattr(ChangeFeeds, "since", slow)
    thread = threading.Thread(target=index.rebuild)
    thread.start()
    reading.wait(20)
    new, _ = store.items.add(made_up_item(40), model_id=MODEL_ID)
    assert nearest_to(index, 40) == new.item_id
    done.set()
    thread.join()
    assert nearest_to(index, 40) == new.item_id
    assert len(index) == 21


def test_another_process_is_seen_at_the_next_search(store: Store, items: list[Item]) -> None:
    index = opened(store)
    script = (
        "import sys; from pathlib import Path; from benchmarks.made_up import *; from crossmodal.store import Store\n"
        "with Store(Path(sys.argv[1])) as store:\n"
        "    store.items.add(made_up_item(77), model_id=MODEL_ID)\n"
        f"    store.items.remove([{items[9].item_id}])\n"
    )
    subprocess.run([sys.executable, "-c", script, str(store.path)], cwd=PROJECT, check=True)
    item = store.items.get(nearest_to(index, 77))
    assert item.title == made_up_item(77).title
    assert nearest_to(index, 9) != items[9].item_id


def test_threads_search_while_others_write(store: Store, items: list[Item]) -> None:
    index = opened(store)
    stop = threading.Event()
    problems: list[str] = []

    def search() -> None:
        while not stop.is_set():
            if nearest_to(index, 5) != items[5].item_id:
                problems.append("an item that stayed was not found")

    def write(start: int) -> None:
        for number in range(start, start + 10):
            item, _ = store.items.add(made_up_item(number), model_id=MODEL_ID)
            if nearest_to(index, number) != item.item_id:
                problems.append("an acknowledged item was not found at once")
            store.items.remove([item.item_id])
            if nearest_to(index, number) == item.item_id:
                problems.append("a removed item was found")

    searchers = [threading.Thread(target=search) for _ in range(3)]
    writers = [threading.Thread(target=write, args=(start,)) for start in (100, 200)]
    for thread in searchers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in searchers:
        thread.join()
    assert problems == []


class Histories(RuleBasedStateMachine):
    """Any history of the catalog, seen through an index that is sometimes saved, dropped and opened again."""

    numbers = st.integers(0, 12)

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(Path(self.folder.name) / "catalog.sqlite3")
        self.index = opened(self.store)
        # What each key shows, and which items are there.
        self.shown: dict[int, int] = {}
        self.ids: dict[int, int] = {}
        self.live: set[int] = set()

    @rule(keys=st.lists(numbers, min_size=1, max_size=4, unique=True), shift=st.sampled_from([0, 0, 100]))
    def add(self, keys: list[int], shift: int) -> None:
        entries = [dataclasses.replace(made_up_item(key + shift), key=str(key)) for key in keys]
        for key, item in zip(keys, self.store.items.add_many(entries, model_id=MODEL_ID), strict=True):
            self.shown[key], self.ids[key] = key + shift, item.item_id
            self.live.add(key)

    @rule(keys=st.lists(numbers, max_size=3))
    def remove(self, keys: list[int]) -> None:
        self.store.items.remove([self.ids.get(key, 999) for key in keys])
        self.live -= set(keys)

    @rule(keys=st.lists(numbers, max_size=3))
    def restore(self, keys: list[int]) -> None:
        self.store.items.restore([self.ids[key] for key in keys if key in self.ids])
        self.live |= set(keys) & self.ids.keys()

    @rule()
    def purge(self) -> None:
        self.store.items.purge()
        self.ids = {key: item_id for key, item_id in self.ids.items() if key in self.live}

    @rule(save=st.booleans())
    def open_again(self, save: bool) -> None:
        if save:
            self.index.close()
        self.store.close()
        self.store = Store(self.store.path)
        self.index = opened(self.store)

    @invariant()
    def every_live_item_is_found_by_its_picture(self) -> None:
        self.index.refresh()
        assert len(self.index) == len(self.live) == self.store.items.count()
        keys = sorted(self.live)
        queries = np.array([made_up_item(self.shown[key]).embedding for key in keys], dtype=np.float32).reshape(len(keys), DIM)
        for key, hits in zip(keys, self.index.search(queries, 1), strict=True):
            assert hits == [(self.ids[key], pytest.approx(1.0, abs=1e-6))]

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


def test_any_history_of_the_catalog_is_followed() -> None:
    Histories.TestCase.settings = settings(max_examples=8, stateful_step_count=12, deadline=None)
    Histories.TestCase().runTest()


def test_a_tag_says_where_the_index_stands(store: Store, items: list[Item]) -> None:
    index = opened(store)
    changes = store.changes.since(MODEL_ID)
    assert index._tag == IndexTag(store.store_uuid, MODEL_ID, changes.seq, changes.removal_seq, changes.mark)
