"""Several models side by side, and the feed that keeps indexes in step."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.made_up import MODEL_ID, made_up_item, unit
from crossmodal.errors import QueryError, StoreError
from crossmodal.items import Item
from crossmodal.store import ItemTexts, Store

OTHER = "another model"


@pytest.fixture
def items(store: Store) -> list[Item]:
    return store.items.add_many([made_up_item(number) for number in range(6)], model_id=MODEL_ID)


def test_the_feed_from_the_start_is_everything(store: Store, items: list[Item]) -> None:
    changes = store.changes.since(MODEL_ID)
    assert changes.item_ids.dtype == np.int64
    assert changes.embeddings.dtype == np.float32
    assert changes.item_ids.tolist() == [item.item_id for item in items]
    assert np.array_equal(changes.embeddings, np.stack([made_up_item(number).embedding for number in range(6)]))
    assert changes.removed_ids.tolist() == []
    assert changes.mark == store.changes.mark(MODEL_ID, changes.seq) != ""


def test_an_embedding_is_stored_with_the_length_1(store: Store) -> None:
    """A row whose length is right but for rounding keeps its bits, and the same row again is no news."""
    exact = made_up_item(1)
    long = replace(exact, embedding=exact.embedding * np.float32(1.0009))
    item, _ = store.items.add(long, model_id=MODEL_ID)
    stored = store.embeddings.get(item.item_id, MODEL_ID)
    assert abs(float(np.linalg.norm(stored.astype(np.float64))) - 1.0) < 1e-7
    assert np.allclose(stored, exact.embedding, rtol=0, atol=1e-7)
    here = store.changes.since(MODEL_ID)
    store.items.add(long, model_id=MODEL_ID)
    assert store.changes.since(MODEL_ID).seq == here.seq
    store.items.add(exact, model_id=MODEL_ID)
    assert store.embeddings.get(item.item_id, MODEL_ID).tobytes() == exact.embedding.tobytes()


def test_the_feed_is_read_in_parts_of_any_size(store: Store, items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = store.changes.since(MODEL_ID)
    monkeypatch.setattr("crossmodal.store.changes._ROWS_AT_ONCE", 2)
    parts = store.changes.since(MODEL_ID)
    assert parts.item_ids.tolist() == whole.item_ids.tolist()
    assert np.array_equal(parts.embeddings, whole.embeddings)


def test_an_unknown_model_has_an_empty_feed(store: Store, items: list[Item]) -> None:
    changes = store.changes.since(OTHER)
    assert (len(changes.item_ids), len(changes.embeddings), changes.seq, changes.mark) == (0, 0, 0, "")


def test_the_feed_goes_on_where_it_was_left(store: Store, items: list[Item]) -> None:
    here = store.changes.since(MODEL_ID)
    nothing = store.changes.since(MODEL_ID, after_seq=here.seq, after_removal=here.removal_seq)
    assert (len(nothing.item_ids), len(nothing.removed_ids), nothing.seq, nothing.mark) == (0, 0, here.seq, here.mark)

    store.items.remove([items[0].item_id])
    store.items.add(replace(made_up_item(50), key=made_up_item(1).key), model_id=MODEL_ID)
    new, _ = store.items.add(made_up_item(60), model_id=MODEL_ID)
    news = store.changes.since(MODEL_ID, after_seq=here.seq, after_removal=here.removal_seq)
    assert news.item_ids.tolist() == [items[1].item_id, new.item_id]
    assert np.array_equal(news.embeddings, np.stack([made_up_item(50).embedding, made_up_item(60).embedding]))
    # The item with another picture is among the removed, for the indexes of other models.
    assert news.removed_ids.tolist() == [items[0].item_id, items[1].item_id]


def test_words_alone_are_no_news(store: Store, items: list[Item]) -> None:
    here = store.changes.since(MODEL_ID)
    store.items.add(replace(made_up_item(1), title="new"), model_id=MODEL_ID)
    assert store.changes.since(MODEL_ID).seq == here.seq


def test_a_new_model_is_filled_in_beside_the_old(store: Store, items: list[Item]) -> None:
    store.items.remove([items[5].item_id])
    assert store.embeddings.missing(MODEL_ID, 10) == []
    first = store.embeddings.missing(OTHER, 3)
    assert first == items[:3]
    assert store.embeddings.missing(OTHER, 10, after_id=first[-1].item_id) == items[3:5]
    vectors = {item.item_id: unit(np.arange(1.0, 9.0) + item.item_id) for item in items}
    assert store.embeddings.add(OTHER, [(item, vectors[item.item_id]) for item in items[:5]]) == 5
    assert store.embeddings.missing(OTHER, 10) == []
    assert store.models.counts() == {MODEL_ID: 5, OTHER: 5}
    changes = store.changes.since(OTHER)
    assert np.array_equal(changes.embeddings, np.stack([vectors[item_id] for item_id in changes.item_ids.tolist()]))
    assert store.changes.since(MODEL_ID).embeddings.shape == (5, 64)


def test_embeddings_of_items_that_changed_meanwhile_are_passed_over(store: Store, items: list[Item]) -> None:
    store.items.remove([items[0].item_id])
    store.items.add(replace(made_up_item(50), key=made_up_item(1).key), model_id=MODEL_ID)
    assert store.embeddings.add(OTHER, [(item, made_up_item(9).embedding) for item in items[:3]]) == 1
    assert store.changes.since(OTHER).item_ids.tolist() == [items[2].item_id]
    assert store.embeddings.add(OTHER, []) == 0


def test_a_model_can_be_dropped(store: Store, items: list[Item]) -> None:
    store.embeddings.add(OTHER, [(item, made_up_item(9).embedding) for item in items])
    store.models.drop(MODEL_ID)
    store.models.drop("no such")
    assert store.models.counts() == {OTHER: 6}
    assert store.embeddings.missing(MODEL_ID, 10) == items
    assert store.items.count() == 6


def test_the_embedding_of_a_known_picture_is_found(store: Store, items: list[Item]) -> None:
    content_hash = items[2].content_hash
    found = store.embeddings.of_content(content_hash, MODEL_ID)
    assert found is not None
    assert found.tobytes() == made_up_item(2).embedding.tobytes()
    assert store.embeddings.of_content(content_hash, OTHER) is None
    assert store.embeddings.of_content("0" * 64, MODEL_ID) is None
    store.items.remove([items[2].item_id])
    assert store.embeddings.of_content(content_hash, MODEL_ID) is not None, "what was encoded once is not encoded again"


def test_a_shifted_embedding_is_found_out_and_can_be_made_again(store: Store, items: list[Item]) -> None:
    """The embedding and checksum of one item under another item: both rows sound in themselves."""
    with store._database.writing() as db:
        row = db.execute("SELECT checksum, embedding FROM embeddings WHERE item_id = ?", (items[0].item_id,)).fetchone()
        db.execute("UPDATE embeddings SET checksum = ?, embedding = ? WHERE item_id = ?", (*row, items[4].item_id))
    for ask in (lambda: store.changes.since(MODEL_ID), lambda: store.embeddings.get(items[4].item_id, MODEL_ID)):
        with pytest.raises(StoreError) as raised:
            ask()
        assert raised.value.code == "index_corrupt"
        assert f"Item {items[4].item_id} " in str(raised.value)
    assert store.embeddings.of_content(items[4].content_hash, MODEL_ID) is None
    assert store.changes.drop_damaged(MODEL_ID) == [items[4].item_id]
    assert store.changes.drop_damaged(MODEL_ID) == []
    assert store.embeddings.missing(MODEL_ID, 10) == [items[4]]
    with pytest.raises(QueryError):
        store.embeddings.get(items[4].item_id, MODEL_ID)
    store.embeddings.add(MODEL_ID, [(items[4], made_up_item(4).embedding)])
    assert len(store.changes.since(MODEL_ID).item_ids) == 6


def test_a_single_flipped_bit_is_found_out(store: Store, items: list[Item]) -> None:
    with store._database.writing() as db:
        (blob,) = db.execute("SELECT embedding FROM embeddings WHERE item_id = ?", (items[3].item_id,)).fetchone()
        db.execute("UPDATE embeddings SET embedding = ? WHERE item_id = ?", (bytes([blob[0] ^ 1]) + blob[1:], items[3].item_id))
    with pytest.raises(StoreError, match=f"Item {items[3].item_id} "):
        store.changes.since(MODEL_ID)


def test_the_version_differs_after_any_commit(store: Store, items: list[Item]) -> None:
    seen = [store.version()]
    assert store.version() == seen[0]
    store.items.add(made_up_item(70), model_id=MODEL_ID)
    seen.append(store.version())
    with Store(store.path) as second:
        second.items.remove([items[0].item_id])
    seen.append(store.version())
    assert len(set(seen)) == 3


def steps(store: Store, work: Callable[[], object]) -> int:
    """How many instructions SQLite's machine carries out: unlike time, the same on any computer."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1

    work()
    connections = [store._database._writer, *store._database._idle]
    for db in connections:
        db.set_progress_handler(tick, 1)
    work()
    for db in connections:
        db.set_progress_handler(None, 1)
    return count


def costs(path: Path, size: int) -> dict[str, int]:
    """Steps of everyday calls on a collection of that size."""
    with Store(path) as store:
        entries = [made_up_item(number, embed_dim=8, picture_bytes=50) for number in range(size)]
        items = store.items.add_many(entries, model_id=MODEL_ID)
        here = store.changes.since(MODEL_ID)
        new = iter(range(10**6, 10**6 + 10))
        works: dict[str, Callable[[], object]] = {
            "add": lambda: store.items.add(made_up_item(next(new), embed_dim=8), model_id=MODEL_ID),
            "changes": lambda: store.changes.since(MODEL_ID, after_seq=here.seq, after_removal=here.removal_seq),
            "items": lambda: store.items.get_many([item.item_id for item in items[:20]]),
            "page": lambda: store.items.page(20, 5, source="made up"),
            "newest": lambda: store.items.page(20, newest_first=True),
            "thumbnail": lambda: store.pictures.thumbnail(items[7].item_id),
            "known": lambda: store.items.known([entry.key for entry in entries[:20]], model_id=MODEL_ID),
            "embedding_of_content": lambda: store.embeddings.of_content(items[7].content_hash, MODEL_ID),
            "update_texts": lambda: store.items.update_texts([ItemTexts(entries[3].key, "new")]),
            "remove": lambda: (store.items.remove([items[9].item_id]), store.items.restore([items[9].item_id])),
            "purge_removed": lambda: store.items.purge(3600),
        }
        return {name: steps(store, work) for name, work in works.items()}


def test_what_happens_all_the_time_costs_the_same_in_a_large_collection(tmp_path: Path) -> None:
    small, large = costs(tmp_path / "small.sqlite3", 40), costs(tmp_path / "large.sqlite3", 1600)
    assert min(small.values()) > 0
    assert {name: (small[name], cost) for name, cost in large.items() if cost > 1.5 * small[name] + 20} == {}
