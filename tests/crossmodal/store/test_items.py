"""Items by file name and place, and how many texts there are."""

from dataclasses import replace
from pathlib import Path

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.items import texts_of
from crossmodal.store import Store


def test_names_places_and_texts(tmp_path: Path) -> None:
    sources = ["a/mug.jpg", "b/mug.jpg", "https://x.example/p/50%_off.png", "cup.jpg", "no name"]
    with Store(tmp_path / "catalog.sqlite3") as store:
        entries = [replace(made_up_item(number), origin=source) for number, source in enumerate(sources)]
        entries[3] = replace(entries[3], captions=())
        entries[4] = replace(entries[4], captions=(), title="")
        items = store.items.add_many(entries, model_id=MODEL_ID)
        assert store.items.by_file_name("mug.jpg", limit=2) == items[:2]
        assert store.items.by_file_name("mug.jpg", limit=1) == items[:1]
        assert store.items.by_file_name("50%_off.png", limit=2) == [items[2]]
        assert store.items.by_file_name("cup.jpg", limit=2) == [items[3]]
        for nothing in ("", "ug.jpg", "a/mug.jpg", "/mug.jpg", "%", "cup.jp_", "a\0b", "\ud800"):
            assert store.items.by_file_name(nothing, limit=2) == [], nothing
        assert [store.items.at(place) for place in (0, 4, 5, 10**30)] == [items[0], items[4], None, None]
        assert store.texts.count() == 3 * 2 + 1
        store.items.remove([items[0].item_id])
        assert store.items.by_file_name("mug.jpg", limit=2) == [items[1]]
        assert store.items.at(0) == items[1]
        assert store.texts.count() == 2 * 2 + 1


def test_blank_and_repeated_texts_are_not_counted(tmp_path: Path) -> None:
    words = [(("one", "one", " ", "two"), "title"), ((" ", ""), "title"), ((), " "), (("one",), "one")]
    with Store(tmp_path / "catalog.sqlite3") as store:
        for number, (captions, title) in enumerate(words):
            store.items.add(replace(made_up_item(number), captions=captions, title=title), model_id=MODEL_ID)
        assert store.texts.count() == sum(len(texts_of(title, captions)) for captions, title in words) == 2 + 1 + 0 + 1


def test_an_empty_collection(tmp_path: Path) -> None:
    with Store(tmp_path / "catalog.sqlite3") as store:
        assert (store.items.by_file_name("a", limit=1), store.items.at(0), store.texts.count()) == ([], None, 0)
