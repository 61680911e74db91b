"""What items say: each text once, its embeddings beside it, and the feed that keeps an index in step."""

import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from benchmarks.made_up import MODEL_ID, made_up_item, unit
from crossmodal.errors import StoreError
from crossmodal.indexes.synced import SyncedIndex
from crossmodal.items import Embedding, texts_of
from crossmodal.store import ItemTexts, Store

FORMATS = Path(__file__).parent / "formats"
DIM = 64


def embedding_of(text: str) -> Embedding:
    return unit(np.random.default_rng(list(text.encode(errors="surrogatepass"))).standard_normal(DIM))


def said(*texts: str) -> dict[str, dict[str, Embedding]]:
    return {MODEL_ID: {text: embedding_of(text) for text in texts}}


def put(store: Store, number: int, *captions: str, title: str = "") -> int:
    entry = replace(made_up_item(number), title=title, captions=captions)
    return store.items.add(entry, model_id=MODEL_ID, text_embeddings=said(*texts_of(title, captions)))[0].item_id


def heard(store: Store) -> set[str]:
    """The texts in the feed, each with the embedding that belongs to it."""
    changes = store.changes.since(MODEL_ID, feed="texts")
    items_with_text = store.texts.items_with_text(changes.item_ids.tolist())
    for text_id, row in zip(changes.item_ids.tolist(), changes.embeddings, strict=True):
        assert row.tobytes() == embedding_of(items_with_text[text_id][0]).tobytes()
    return {items_with_text[text_id][0] for text_id in changes.item_ids.tolist()}


@pytest.mark.parametrize(
    ("title", "captions", "expected"),
    [
        ("a title", (), ("a title",)),
        ("a title", ("one", "two", "one", " "), ("one", "two")),
        ("a title", ("  ", "\n"), ("a title",)),
        (" ", (), ()),
    ],
)
def test_captions_count_and_the_title_where_there_are_none(
    title: str, captions: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert texts_of(title, captions) == expected


def test_texts_are_written_with_their_item_and_shared(store: Store) -> None:
    first = put(store, 1, "red", "blue")
    second = put(store, 2, "blue", title="not counted")
    third = put(store, 3, title="a title")
    assert heard(store) == {"red", "blue", "a title"}
    assert store.changes.count(MODEL_ID, feed="texts") == 3
    assert {item_id for _, item_id in store.texts.items_with_text(store.texts.ids_of_item(second)).values()} == {first}
    assert len(store.texts.ids_of_item(third)) == 1
    assert store.texts.embedded(["red", "green", "a title"], MODEL_ID) == {"red", "a title"}
    assert store.texts.embedded(["red"], "another model") == set()


def test_removed_and_restored_with_their_last_item(store: Store) -> None:
    first, second = put(store, 1, "red", "blue"), put(store, 2, "blue")
    here = store.changes.since(MODEL_ID, feed="texts")
    store.items.remove([first])
    news = store.changes.since(MODEL_ID, after_seq=here.seq, after_removal=here.removal_seq, feed="texts")
    assert len(news.removed_ids) == 1
    assert heard(store) == {"blue"}
    assert store.texts.items_with_text(store.texts.ids_of_item(first)).keys() == set(store.texts.ids_of_item(second))
    store.items.restore([first])
    back = store.changes.since(MODEL_ID, after_seq=news.seq, after_removal=news.removal_seq, feed="texts")
    assert len(back.item_ids) == 1
    assert heard(store) == {"red", "blue"}
    store.items.remove([first, second])
    assert heard(store) == set()
    store.items.purge()
    with store._database.reading() as db:
        assert db.execute("SELECT COUNT(*) FROM texts").fetchone() == (0,)
        assert db.execute("SELECT COUNT(*) FROM text_embeddings").fetchone() == (0,)
    put(store, 3, "red")
    assert heard(store) == {"red"}


def test_new_words_of_a_removed_item_are_heard_with_it(store: Store) -> None:
    item_id = put(store, 1)
    store.items.remove([item_id])
    store.items.update_texts([ItemTexts(made_up_item(1).key, "", captions=("blue",))], text_embeddings=said("blue"))
    assert (store.changes.count(MODEL_ID, feed="texts"), store.changes.since(MODEL_ID, feed="texts").item_ids.tolist()) == (0, [])
    assert store.texts.missing("another model", 9) == []
    store.items.restore([item_id])
    assert heard(store) == {"blue"}


def test_changed_words_change_the_texts(store: Store) -> None:
    item_id = put(store, 1, title="red")
    row = ItemTexts(made_up_item(1).key, "ignored", captions=("green", "grey"))
    assert store.items.update_texts([row], text_embeddings=said("green", "grey")) == 1
    assert heard(store) == {"green", "grey"}
    store.items.add(replace(made_up_item(1), captions=("black",)), model_id=MODEL_ID, text_embeddings=said("black"))
    assert heard(store) == {"black"}
    store.items.edit(item_id, attributes={"a": "b"})
    assert heard(store) == {"black"}
    other = put(store, 2, title="red")
    store.items.edit(other, title="blue", text_embeddings=said("blue"))
    assert heard(store) == {"black", "blue"}


def test_what_was_changed_by_hand_no_catalogue_changes_back(store: Store) -> None:
    item_id = put(store, 1, title="red")
    store.items.edit(item_id)  # nothing was changed
    row = ItemTexts(made_up_item(1).key, "green", attributes={"size": "1"})
    assert store.items.update_texts([row], text_embeddings=said("green")) == 1
    store.items.edit(item_id, title="by hand", text_embeddings=said("by hand"))
    assert store.items.update_texts([row], text_embeddings=said("green")) == 0
    store.items.add(replace(made_up_item(1), title="green"), model_id=MODEL_ID, text_embeddings=said("green"))
    item = store.items.get(item_id)
    assert (item.title, dict(item.attributes)) == ("by hand", {"size": "1"})
    assert heard(store) == {"by hand"}


def test_texts_without_embeddings_are_listed_and_filled_in(store: Store) -> None:
    store.items.add(replace(made_up_item(1), captions=("one", "two", "three")), model_id=MODEL_ID)
    removed, _ = store.items.add(replace(made_up_item(2), captions=("gone",)), model_id=MODEL_ID)
    store.items.remove([removed.item_id])
    first = store.texts.missing(MODEL_ID, 2)
    rest = store.texts.missing(MODEL_ID, 10, after_id=first[-1][0])
    assert [text for _, text in (*first, *rest)] == ["one", "two", "three"]
    assert store.texts.add_embeddings(said("one", "three", "never said")) == 2
    assert store.texts.add_embeddings(said("one")) == 0
    assert [text for _, text in store.texts.missing(MODEL_ID, 10)] == ["two"]
    store.items.restore([removed.item_id])
    assert [text for _, text in store.texts.missing(MODEL_ID, 10)] == ["two", "gone"]
    store.models.drop(MODEL_ID)
    assert len(store.texts.missing(MODEL_ID, 10)) == 4


def test_words_of_any_characters(store: Store) -> None:
    odd = ("nul\0", "\ud800", 'a"b', "é", "x" * 5000)
    item_id = put(store, 1, *odd)
    assert len(store.texts.ids_of_item(item_id)) == len(odd)
    assert store.texts.embedded(odd, MODEL_ID) == set(odd)


def test_a_damaged_text_is_found_out(store: Store) -> None:
    put(store, 1, "red", "blue")
    with store._database.writing() as db:
        db.execute("UPDATE text_embeddings SET checksum = zeroblob(32) WHERE text_id = 2")
    with pytest.raises(StoreError, match="Text 2 ") as raised:
        store.changes.since(MODEL_ID, feed="texts")
    assert raised.value.code == "index_corrupt"
    assert store.changes.drop_damaged(MODEL_ID, feed="texts") == [2]
    assert heard(store) == {"red"}


def test_a_bad_embedding_of_a_text_writes_nothing(store: Store) -> None:
    with pytest.raises(StoreError):
        store.items.add(
            replace(made_up_item(1), captions=("red",)),
            model_id=MODEL_ID,
            text_embeddings={MODEL_ID: {"red": np.ones(DIM, np.float32)}},
        )
    assert store.items.count() == 0


def test_an_older_collection_says_what_its_items_say(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    with sqlite3.connect(path) as db:
        db.executescript((FORMATS / "version_1.sql").read_text(encoding="utf-8"))
        db.execute("UPDATE items SET captions = '[]', title = 'a title' WHERE item_id = 1")
        db.execute('UPDATE items SET captions = \'["same", " ", "same"]\' WHERE item_id = 2')
        db.execute("UPDATE items SET captions = 'damaged', title = '' WHERE item_id = 3")
        db.execute("UPDATE items SET captions = '[\"of a removed item\"]' WHERE item_id = 4")
    db.close()
    with Store(path) as store:
        assert [text for _, text in store.texts.missing(MODEL_ID, 10)] == ["same", "a title"]
        assert [len(store.texts.ids_of_item(item_id)) for item_id in (1, 2, 3, 4)] == [1, 1, 0, 1]
        store.items.restore([4])
        assert len(store.texts.missing(MODEL_ID, 10)) == 3
    assert (tmp_path / "catalog.sqlite3.format1").exists()


class Histories(RuleBasedStateMachine):
    """Any history of items and their words, seen through an index that is sometimes opened again."""

    numbers = st.integers(0, 6)
    words = st.lists(st.sampled_from("abcd"), max_size=3).map(tuple)

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(Path(self.folder.name) / "catalog.sqlite3")
        self.index = self.opened()
        self.ids: dict[int, int] = {}
        self.said: dict[int, tuple[str, ...]] = {}
        self.live: set[int] = set()

    def opened(self) -> SyncedIndex:
        return SyncedIndex(self.store, MODEL_ID, embed_dim=DIM, path=Path(self.folder.name) / "texts.pt", feed="texts")

    @rule(number=numbers, captions=words)
    def add(self, number: int, captions: tuple[str, ...]) -> None:
        self.ids[number] = put(self.store, number, *captions)
        self.said[number] = captions
        self.live.add(number)

    @rule(number=numbers, captions=words)
    def change(self, number: int, captions: tuple[str, ...]) -> None:
        self.store.items.update_texts([ItemTexts(made_up_item(number).key, "", captions=captions)], text_embeddings=said(*captions))
        if number in self.ids:
            self.said[number] = captions

    @rule(chosen=st.sets(numbers))
    def remove(self, chosen: set[int]) -> None:
        self.store.items.remove([self.ids[number] for number in chosen if number in self.ids])
        self.live -= chosen

    @rule(chosen=st.sets(numbers))
    def restore(self, chosen: set[int]) -> None:
        self.store.items.restore([self.ids[number] for number in chosen if number in self.ids])
        self.live |= chosen & self.ids.keys()

    @rule()
    def purge(self) -> None:
        self.store.items.purge()
        self.ids = {number: item_id for number, item_id in self.ids.items() if number in self.live}

    @rule(save=st.booleans())
    def open_again(self, save: bool) -> None:
        if save:
            self.index.close()
        self.index = self.opened()

    @invariant()
    def every_text_is_found_once(self) -> None:
        expected = {text for number in self.live for text in self.said[number]}
        hits = self.index.search(embedding_of("a")[None], 50)[0]
        items_with_text = self.store.texts.items_with_text([text_id for text_id, _ in hits])
        assert sorted(text for text, _ in items_with_text.values()) == sorted(expected)
        for text, item_id in items_with_text.values():
            assert item_id == min(self.ids[number] for number in self.live if text in self.said[number])
        assert len(hits) == self.store.changes.count(MODEL_ID, feed="texts") == len(expected)
        if "a" in expected:
            assert hits[0][1] == pytest.approx(1.0, abs=1e-6)

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


def test_any_history_of_words_is_followed() -> None:
    Histories.TestCase.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
    Histories.TestCase().runTest()
