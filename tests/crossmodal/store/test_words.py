"""The words of items: found by any of them, whatever is typed; and after any history those of the items that are there."""

import sqlite3
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.errors import StoreError
from crossmodal.items import NewItem
from crossmodal.store import ItemTexts, Store
from crossmodal.text.cleaning import words


def entry(number: int, title: str = "", captions: Sequence[str] = (), origin: str = "", **attributes: str) -> NewItem:
    return replace(
        made_up_item(number, picture_bytes=64), title=title, captions=tuple(captions), origin=origin, attributes=attributes
    )


def put(store: Store, *titles: str) -> list[int]:
    """Items with these titles and nothing else."""
    entries = [entry(number, title) for number, title in enumerate(titles)]
    return [item.item_id for item in store.items.add_many(entries, model_id=MODEL_ID)]


def found(store: Store, text: str, limit: int = 50) -> list[int]:
    return [hit.item_id for hit in store.words.search(text, limit)]


def test_every_kind_of_words_is_found_titles_first(store: Store) -> None:
    entries = [
        entry(0, origin="anna/kettle/IMG_0001.jpg"),
        entry(1, kind="kettle"),
        entry(2, captions=("a kettle",)),
        entry(3, "kettle of steel"),
        entry(4, "a pan"),
    ]
    ids = [item.item_id for item in store.items.add_many(entries, model_id=MODEL_ID)]
    assert found(store, "kettle") == [ids[3], ids[2], ids[1], ids[0]]
    assert found(store, "img 0001") == [ids[0]]
    assert all(hit.score > 0.0 and hit.has_all for hit in store.words.search("kettle", 9))


def test_the_host_of_an_address_says_nothing(store: Store) -> None:
    item, _ = store.items.add(entry(0, origin="https://shop.example/kettles/k2.jpg"), model_id=MODEL_ID)
    assert found(store, "kettles k2") == [item.item_id]
    assert found(store, "shop") == found(store, "https") == []


@pytest.mark.parametrize("query", ["red mug", "Red Mug!", "  RED - MUG", "red... mug?"])
def test_a_whole_title_comes_first(store: Store, query: str) -> None:
    ids = put(store, "red mug red mug", "a red mug", "Red, mug.", "mug red")
    hits = store.words.search(query, 9)
    assert [hit.item_id for hit in hits if hit.is_title] == [ids[2]] == [hits[0].item_id]
    assert len(hits) == 4


def test_a_whole_title_of_function_words_is_one(store: Store) -> None:
    ids = put(store, "It", "This is it", "a mug")
    assert found(store, "it")[0] == ids[0]
    assert found(store, "this is it")[0] == ids[1]


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("mug", "blue mugs"),
        ("mugs", "blue mug"),
        ("box", "boxes"),
        ("boxes", "box"),
        ("baby", "babies"),
        ("babies", "baby"),
        ("dresses", "dress"),
        ("shoe", "shoes"),
        ("watches", "watch"),
        ("cafe", "Café"),
        ("STRASSE", "strasse"),
        ("ÜBER", "über"),
        ("สวัสดี", "สวัสดี"),
        ("नमस्ते", "नमस्ते"),
    ],
)
def test_plurals_case_and_accents_do_not_matter(store: Store, query: str, title: str) -> None:
    ids = put(store, title, "something else")
    assert found(store, query) == [ids[0]]


def test_a_rare_plural_counts_no_more_than_the_word(store: Store) -> None:
    ids = put(store, "mugs", *["mug"] * 4, *["pan"] * 60)
    scores = {hit.item_id: hit.score for hit in store.words.search("mug", 50)}
    assert found(store, "mug")[-1] == ids[0]
    assert scores[ids[0]] == pytest.approx(scores[ids[1]])


def test_more_words_are_better_and_common_ones_weigh_little(store: Store) -> None:
    ids = put(store, "red striped mug", "red mug", "striped cup", *["red thing"] * 30)
    assert found(store, "red striped mug")[:3] == [ids[0], ids[1], ids[2]]
    assert max(hit.score for hit in store.words.search("red", 50)) < 0.1 < store.words.search("cup", 50)[0].score


def test_words_with_many_rows_count_beside_rarer_ones(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossmodal.store.words._MOST_ROWS", 3)
    ids = put(store, "red mug", "red striped mug", "striped mug", *["red pan"] * 5)
    assert found(store, "striped red mug")[:2] == [ids[1], ids[2]]
    assert found(store, "red") == [ids[0], ids[1], ids[3]], "the oldest so many"
    assert found(store, "pan red") == ids[3:6]
    assert found(store, "pan kettle") == ids[3:6], "no item has both"
    assert [hit.item_id for hit in store.words.search("red", 9, allowed=ids[4:])] == ids[4:]
    assert [hit.has_all for hit in store.words.search("striped red mug", 2)] == [True, False]


def test_items_with_all_words_come_first_however_many(store: Store) -> None:
    ids = put(store, "mug rare", "red mugs", "mug, red", "red", "mug", "pan")
    hits = store.words.search("red mug", 9)
    assert {hit.item_id for hit in hits if hit.has_all} == {ids[1], ids[2]} == {hit.item_id for hit in hits[:2]}
    assert sorted(store.words.having_all("red mug")) == ids[1:3]
    assert store.words.having_all("red mug", allowed=[ids[2], 99]) == [ids[2]]
    assert store.words.having_all("") == store.words.having_all("red kettle") == []


def test_only_what_is_allowed_and_no_more_than_wanted(store: Store) -> None:
    ids = put(store, *["red mug"] * 5)
    assert found(store, "red mug", 2) == ids[:2]
    assert [hit.item_id for hit in store.words.search("red mug", 9, allowed=[ids[1], ids[3], 99])] == [ids[1], ids[3]]
    assert store.words.search("red mug", 9, allowed=[]) == []


def test_nothing_is_found_in_an_empty_collection(store: Store) -> None:
    assert store.words.search("red mug", 9) == []
    assert store.words.vocabulary() == {}
    assert store.words.disagreements() == 0


def test_no_text_is_syntax(store: Store) -> None:
    put(store, "red mug", "NEAR AND OR NOT title")

    @given(st.text(st.characters() | st.sampled_from('"*:^-+(){}\0\\'), max_size=40))
    @settings(max_examples=200, deadline=None)
    def check(query: str) -> None:
        store.words.search(query, 9)
        store.words.known([query])

    check()


@pytest.mark.parametrize(
    "query", ["title:mug", "mug*", "mu*", '"mug', "NEAR(red mug)", "red AND mug", "red NOT mug", "^red", "{title}: mug"]
)
def test_operators_are_words(store: Store, query: str) -> None:
    ids = put(store, "red mug", "blue pan")
    assert found(store, query) == ([] if query == "mu*" else [ids[0]])


def test_the_vocabulary_is_that_of_titles_and_captions(store: Store) -> None:
    store.items.add(entry(0, "Red Café", ["a red cup"], "folder/x.jpg", size="large"), model_id=MODEL_ID)
    store.items.add(entry(1, "red"), model_id=MODEL_ID)
    assert store.words.vocabulary() == {"red": 2, "cafe": 1, "a": 1, "cup": 1}
    assert store.words.known(["red", "café", "large", "folder", "blue", ""]) == {"red", "café", "large"}


def test_words_that_went_missing_are_noticed_and_written_anew(store: Store) -> None:
    ids = put(store, "red mug", "blue pan", "green cup")
    with store._database.writing() as db:
        db.execute("DELETE FROM words WHERE rowid = ?", (ids[0],))
        db.execute("UPDATE words SET title = 'something else' WHERE rowid = ?", (ids[1],))
        db.execute("INSERT INTO words (rowid, title) VALUES (99, 'of no item')")
    assert store.words.disagreements() == 3
    store.words.rebuild()
    assert store.words.disagreements() == 0
    assert found(store, "mug") == [ids[0]]


def test_a_damaged_table_is_noticed_and_written_anew(store: Store) -> None:
    ids = put(store, "red mug", "blue pan")
    with store._database.writing() as db:
        db.execute("UPDATE words_data SET block = zeroblob(20) WHERE id > 100")
    with pytest.raises(StoreError) as raised:
        store.words.disagreements()
    assert raised.value.code == "index_corrupt"
    store.words.rebuild()
    assert store.words.disagreements() == 0
    assert found(store, "mug") == [ids[0]]
    store.items.edit(ids[1], title="blue mug")
    assert len(found(store, "mug")) == 2


def test_damaged_captions_have_no_words(store: Store) -> None:
    [item_id] = put(store, "red mug")
    with store._database.writing() as db:
        db.execute("UPDATE items SET captions = 'damaged', attributes = '[1, {}]'")
    assert found(store, "mug") == [item_id]
    assert store.words.disagreements() == 0


class Histories(RuleBasedStateMachine):
    """Any history of items from several sources, against the words read from the items themselves."""

    numbers = st.integers(0, 5)
    sources = st.sampled_from(["a", "b"])
    texts = st.lists(st.sampled_from(["red", "mug", "pan"]), max_size=2).map(" ".join)

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(Path(self.folder.name) / "catalog.sqlite3")
        for source in ("a", "b"):
            self.store.sources.put(source, kind="folder", location=source, began_at=0.0, completed_at=1.0)

    @rule(number=numbers, picture=numbers, source=sources, title=texts, caption=texts)
    def add(self, number: int, picture: int, source: str, title: str, caption: str) -> None:
        new = entry(picture, title, [caption] if caption else [], f"{title}/{number}.jpg", colour=caption)
        self.store.items.add_many([replace(new, key=f"{source}\n{number}", source=source)], model_id=MODEL_ID)

    @rule(number=numbers, source=sources, title=texts)
    def change(self, number: int, source: str, title: str) -> None:
        self.store.items.update_texts([ItemTexts(f"{source}\n{number}", title, origin=f"moved/{number}.jpg")])

    @rule(place=numbers, title=texts)
    def edit(self, place: int, title: str) -> None:
        item = self.store.items.at(place)
        if item is not None:
            self.store.items.edit(item.item_id, title=title, attributes={"by": "hand"})

    @rule(chosen=st.sets(st.integers(1, 12)))
    def remove(self, chosen: set[int]) -> None:
        self.store.items.remove(sorted(chosen))

    @rule(chosen=st.sets(st.integers(1, 12)))
    def restore(self, chosen: set[int]) -> None:
        self.store.items.restore(sorted(chosen))

    @rule()
    def purge(self) -> None:
        self.store.items.purge()

    @rule(source=sources, present=st.sets(numbers))
    def read_again(self, source: str, present: set[int]) -> None:
        keys = [f"{source}\n{number}" for number in sorted(present)]
        self.store.sources.detect_renames(source, keys)
        self.store.sources.remove_missing(source, keys)

    @rule(source=sources)
    def move(self, source: str) -> None:
        self.store.sources.adopt_moved(source, ["a", "b"])

    @invariant()
    def the_words_are_those_of_the_items(self) -> None:
        expected = {}
        for item in self.store.items.page(99):
            files = [row.origin for row in self.store.items.sources(item.item_id)]
            expected[item.item_id] = [item.title, "\n".join(item.captions), "\n".join(item.attributes.values()), "\n".join(files)]
        with self.store._database.reading() as db:
            rows = db.execute("SELECT rowid, title, captions, attributes, files FROM words").fetchall()
        assert {row[0]: list(row[1:]) for row in rows} == expected
        for word in ("red", "mug", "moved", "hand"):
            having = {item_id for item_id, texts in expected.items() if word in words(" ".join(texts).replace("/", " "))}
            assert set(found(self.store, word)) == having
        assert self.store.words.disagreements() == 0

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


def test_after_any_history_the_words_are_those_of_the_items() -> None:
    Histories.TestCase.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
    Histories.TestCase().runTest()


def test_an_older_collection_gets_its_words(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    with sqlite3.connect(path) as db:
        db.executescript((Path(__file__).parent / "formats" / "version_4.sql").read_text(encoding="utf-8"))
        db.execute("UPDATE items SET captions = 'damaged' WHERE item_id = 2")
    db.close()
    with Store(path) as store:
        assert sorted(found(store, "thing")) == [1, 2, 3]
        assert found(store, "other words of 0")[0] == 1
        assert store.words.disagreements() == 0
    assert (tmp_path / "catalog.sqlite3.format4").exists()
