"""Taking the collection along: what is written is what is there, whole or not at all, and nothing in it computes."""

import csv
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodal.errors import QueryError, SourceError, StoreError
from crossmodal.ingest.sources.base import SourceLimits
from crossmodal.ingest.sources.csv import CsvSource
from crossmodal.ingest.sources.csv_columns import EXPORTED, restored
from crossmodal.items import NewItem, Picture, SourceRow
from crossmodal.progress import Progress, Stopped, ignore_progress
from crossmodal.store import Store
from engine.export import export_items
from engine.export_formats import COLUMNS, Exported, defused, file_name
from engine.import_vectors import import_vectors, read_vectors
from engine.live import LiveApp
from tests.app_parts import csv_source, make_live_app, png, things
from tests.tiny import shared_model

EVIL = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1"]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[LiveApp]:
    live = make_live_app(tmp_path / "here", shared_model())
    for number, title in enumerate(["red disc", '=HYPERLINK("http://evil.test")', "blue, bar"]):
        live.add_new_item(
            png("red", "disc", number), title, captions=("a disc", "round"), attributes={"shelf": f"-{number}", "title": "twice"}
        )
    live.add_new_item(png("blue", "bar", 9), "no attributes")
    yield live
    live.close()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_csv_holds_every_item_and_no_formula(app: LiveApp, tmp_path: Path) -> None:
    told: list[Progress] = []
    assert export_items(Exported.of(app), tmp_path / "out.csv", on_progress=told.append) == 4
    rows = read(tmp_path / "out.csv")
    assert set(rows[0]) == {*COLUMNS, "shelf", "attribute title"}
    assert [row["item_id"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[1]["title"] == '\'=HYPERLINK("http://evil.test")'
    assert rows[1]["shelf"] == "'-1"
    assert rows[0]["captions"] == "a disc | round"
    assert rows[3]["shelf"] == ""
    assert told[-1].finished
    assert told[-1].done == 4


@pytest.mark.parametrize("text", EVIL)
def test_what_begins_like_a_formula_is_defused(text: str) -> None:
    assert defused(text) == f"'{text}"


def test_what_is_no_formula_stays_as_it_is() -> None:
    for text in ("", "red", "7", "a=b", "'red'", "''7"):
        assert defused(text) == restored(text) == text


def test_a_filter_and_ids_choose(app: LiveApp, tmp_path: Path) -> None:
    assert export_items(Exported.of(app), tmp_path / "some.csv", "csv", {"shelf": ["-0", "-2"]}) == 2
    assert [row["item_id"] for row in read(tmp_path / "some.csv")] == ["1", "3"]
    assert export_items(Exported.of(app), tmp_path / "ids.csv", ids=[3, 99, 1]) == 2
    assert [row["item_id"] for row in read(tmp_path / "ids.csv")] == ["3", "1"]


def test_parquet_holds_words_as_they_are_and_embeddings(app: LiveApp, tmp_path: Path) -> None:
    export_items(Exported.of(app), tmp_path / "out.parquet", "parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    rows = table.to_pylist()
    model_id = app.generation().model.model_id
    assert table.schema.metadata[b"model_id"].decode() == model_id
    assert rows[1]["title"].startswith("=HYPERLINK")
    assert dict(rows[0]["attributes"]) == {"shelf": "-0", "title": "twice"}
    assert [row["held_out"] for row in rows] == [False] * 4
    np.testing.assert_array_equal(np.float32(rows[2]["embedding"]), app.store.embeddings.get(3, model_id))


def test_vectors_go_out_and_come_in_again(app: LiveApp, tmp_path: Path) -> None:
    model = app.generation().model
    assert export_items(Exported.of(app), tmp_path / "out.npy", "npy") == 4
    rows = np.load(tmp_path / "out.npy")
    assert rows.shape == (4, model.spec.embed_dim)
    np.testing.assert_array_equal(rows[1], app.store.embeddings.get(2, model.model_id))
    assert read_vectors(tmp_path / "out.npy").model_id == model.model_id
    swapped = rows[::-1].copy()
    np.save(tmp_path / "swapped.npy", swapped)
    (tmp_path / "swapped.ids.json").write_text("[1, 2, 3, 4]")
    found = read_vectors(tmp_path / "swapped.npy")
    assert import_vectors(app.store, found, model_id=model.model_id, embed_dim=model.spec.embed_dim) == 4
    np.testing.assert_array_equal(app.store.embeddings.get(1, model.model_id), rows[3])


def test_content_hashes_are_ids_too(app: LiveApp, tmp_path: Path) -> None:
    rows = np.eye(2, 32, dtype=np.float32)
    np.save(tmp_path / "v.npy", rows)
    (tmp_path / "ids.txt").write_text("\n".join(app.item(n).content_hash for n in (2, 4)))
    found = read_vectors(tmp_path / "v.npy", tmp_path / "ids.txt")
    assert import_vectors(app.store, found, model_id="another model", embed_dim=None) == 2
    np.testing.assert_array_equal(app.store.embeddings.get(4, "another model"), rows[1])


def bad(name: str) -> tuple[np.ndarray, list[object], dict[str, object]]:
    rows = np.eye(2, 32, dtype=np.float32)
    nan = rows.copy()
    nan[1, 3] = np.nan
    return {
        "nan": (nan, [1, 2], {}),
        "zero": (rows * 0, [1, 2], {"normalise": True}),
        "long": (rows * 2, [1, 2], {}),
        "dimension": (np.eye(2, 31, dtype=np.float32), [1, 2], {}),
        "unknown": (rows, [1, 99], {}),
        "twice": (rows, [1, 1], {}),
    }[name]


@pytest.mark.parametrize("name", ["nan", "zero", "long", "dimension", "unknown", "twice"])
def test_bad_vectors_are_refused_as_a_whole(app: LiveApp, tmp_path: Path, name: str) -> None:
    rows, ids, options = bad(name)
    np.save(tmp_path / "v.npy", rows)
    (tmp_path / "v.ids.json").write_text(json.dumps(ids))
    model = app.generation().model
    before = [app.store.embeddings.get(n, model.model_id).tobytes() for n in (1, 2, 3, 4)]
    with pytest.raises((SourceError, QueryError)) as caught:
        import_vectors(app.store, read_vectors(tmp_path / "v.npy"), model_id=model.model_id, embed_dim=32, **options)
    assert caught.value.remedy
    assert [app.store.embeddings.get(n, model.model_id).tobytes() for n in (1, 2, 3, 4)] == before


def test_another_models_vectors_are_refused(app: LiveApp, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(1, 32, dtype=np.float32))
    (tmp_path / "v.ids.json").write_text(json.dumps({"model_id": "one", "item_ids": [1]}))
    with pytest.raises(StoreError, match="are of the model one"):
        import_vectors(app.store, read_vectors(tmp_path / "v.npy"), model_id="other", embed_dim=None)


def test_long_rows_and_unknown_ids_may_be_allowed(app: LiveApp, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(2, 32) * 3)
    np.save(tmp_path / "ids.npy", np.array([1, 99]))
    found = read_vectors(tmp_path / "v.npy", tmp_path / "ids.npy")
    assert import_vectors(app.store, found, model_id="m", embed_dim=32, normalise=True, skip_unknown=True) == 1


@pytest.mark.parametrize(
    ("data", "ids"),
    [(b"", "[]"), (b"\x93NUMPY", "[1]"), (None, "[1]"), (None, "{}"), (None, "[1, null]"), (None, "[" * 10_000), (None, "\udce9")],
    ids=["empty", "cut", "counts", "no list", "null", "deep", "bytes"],
)
def test_files_that_are_none_are_said(tmp_path: Path, data: bytes | None, ids: str) -> None:
    if data is None:
        np.save(tmp_path / "v.npy", np.eye(2, dtype=np.float32))
    else:
        (tmp_path / "v.npy").write_bytes(data)
    (tmp_path / "v.ids.json").write_bytes(ids.encode(errors="surrogateescape"))
    with pytest.raises(SourceError):
        read_vectors(tmp_path / "v.npy")


def test_an_array_of_objects_is_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "v.ids.json").write_text("[1]")
    with pytest.raises(SourceError, match="plain numbers"):
        read_vectors(tmp_path / "v.npy")


def test_a_folder_of_pictures_can_be_indexed_again(app: LiveApp, tmp_path: Path) -> None:
    assert export_items(Exported.of(app), tmp_path / "out", "folder") == 4
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 4
    other = make_live_app(tmp_path / "other", shared_model())
    other.tasks.index(str(tmp_path / "out"), lambda _progress: None)
    assert sorted(item.title for item in other.page(10))[-1] == "red disc"
    assert other.count() == 4
    other.close()


@pytest.mark.parametrize(("title", "name"), [("../../etc/passwd", "etc-passwd"), ("", "picture"), ("CON", "CON"), ("ü/ä", "ü-ä")])
def test_a_title_becomes_a_harmless_file_name(title: str, name: str) -> None:
    assert file_name(title) == name


@pytest.mark.parametrize("kind", ["csv", "parquet", "npy", "folder"])
def test_a_stop_leaves_nothing_behind(app: LiveApp, tmp_path: Path, kind: str) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped) as stopped:
        export_items(Exported.of(app), tmp_path / "out" / "x", kind, stop=stop)
    assert stopped.value.sentence == "The export was stopped. Nothing was written; start it again."
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_there_is_not_replaced_unless_asked(app: LiveApp, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("mine")
    with pytest.raises(QueryError, match="already exists"):
        export_items(Exported.of(app), path)
    assert path.read_text() == "mine"
    export_items(Exported.of(app), path, overwrite=True)
    assert len(read(path)) == 4
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    for kind in ("folder", "csv"):
        with pytest.raises(QueryError):
            export_items(Exported.of(app), tmp_path / "full", kind, overwrite=True)
    with pytest.raises(QueryError, match="not an export format"):
        export_items(Exported.of(app), tmp_path / "x", "xlsx")


def test_a_place_that_cannot_be_written_is_one_sentence(app: LiveApp, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError):
        export_items(Exported.of(app), tmp_path / "file" / "out.csv")


def test_an_empty_collection_is_exported_empty(tmp_path: Path) -> None:
    live = make_live_app(tmp_path / "here", shared_model())
    for kind in ("csv", "parquet", "npy", "folder"):
        assert export_items(Exported.of(live), tmp_path / f"out-{kind}", kind) == 0
    assert np.load(tmp_path / "out-npy").shape == (0, 32)
    live.close()


def test_a_csv_that_was_exported_reads_as_a_table(app: LiveApp, tmp_path: Path) -> None:
    csv_source(tmp_path / "mine", things(2))
    export_items(Exported.of(app), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbfitem_id,title,")


def test_vectors_under_ids_they_were_not_written_with_are_refused(app: LiveApp, tmp_path: Path) -> None:
    """A kill between the two files of an export leaves new ids beside old vectors, as many as before."""
    path = tmp_path / "out.npy"
    export_items(Exported.of(app), path, "npy")
    old = path.read_bytes()
    app.remove_item(2)
    app.add_new_item(png("green", "bar", 12), "instead")
    export_items(Exported.of(app), path, "npy", overwrite=True)
    assert len(read_vectors(path).ids) == 4
    path.write_bytes(old)
    with pytest.raises(SourceError, match=r"out\.npy is not the file that out\.ids\.json was written with"):
        read_vectors(path)


def test_ids_of_an_earlier_version_are_read(app: LiveApp, tmp_path: Path) -> None:
    path = tmp_path / "out.npy"
    export_items(Exported.of(app), path, "npy")
    about = json.loads(path.with_suffix(".ids.json").read_text())
    assert len(about.pop("vectors_sha256")) == 64
    path.with_suffix(".ids.json").write_text(json.dumps(about))
    assert read_vectors(path).ids == [1, 2, 3, 4]


def test_ids_that_are_there_are_not_replaced_unless_asked(app: LiveApp, tmp_path: Path) -> None:
    ids = tmp_path / "out.ids.json"
    ids.write_text("mine")
    with pytest.raises(QueryError, match=r"out\.ids\.json already exists"):
        export_items(Exported.of(app), tmp_path / "out.npy", "npy")
    assert ids.read_text() == "mine"
    assert [path.name for path in tmp_path.glob("out*")] == ["out.ids.json"]
    assert export_items(Exported.of(app), tmp_path / "out.npy", "npy", overwrite=True) == 4
    assert len(read_vectors(tmp_path / "out.npy").ids) == 4
    ids.unlink()
    ids.mkdir()
    with pytest.raises(QueryError, match="is a folder"):
        export_items(Exported.of(app), tmp_path / "out.npy", "npy", overwrite=True)


def test_only_vectors_that_were_written_are_counted(app: LiveApp, tmp_path: Path) -> None:
    app.store.models.drop(app.generation().model.model_id)
    told: list[Progress] = []
    assert export_items(Exported.of(app), tmp_path / "out.npy", "npy", on_progress=told.append) == 0
    assert told[-1] == Progress("export", "0 items written", finished=True)
    assert export_items(Exported.of(app), tmp_path / "out.parquet", "parquet") == 4


def test_an_export_reports_its_rate(app: LiveApp, tmp_path: Path) -> None:
    told: list[Progress] = []
    export_items(Exported.of(app), tmp_path / "out.csv", on_progress=told.append)
    assert [(each.done, each.finished, each.rate_per_s > 0) for each in told] == [(4, False, True), (4, True, True)]


# The content, its name, the folder that holds the name; the pictures of a folder are not waited for, its table is.
_ONE_FILE = ["fsync", "name", "fsync"]


@pytest.mark.parametrize(
    ("kind", "steps"),
    [("csv", _ONE_FILE), ("parquet", _ONE_FILE), ("npy", _ONE_FILE * 2), ("folder", [*_ONE_FILE, "name", "fsync"])],
)
def test_every_file_is_on_the_disk_before_it_has_its_name(
    app: LiveApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, steps: list[str]
) -> None:
    done = []
    fsync, replace, link = os.fsync, Path.replace, os.link
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda self, target: (done.append("name"), replace(self, target))[1])
    monkeypatch.setattr(os, "link", lambda draft, target: (done.append("name"), link(draft, target))[1])
    export_items(Exported.of(app), tmp_path / "out", kind)
    assert done == steps


def test_an_item_removed_meanwhile_is_left_out_of_a_folder(app: LiveApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendition = app.store.pictures.rendition

    def removed_first(item_id: int) -> bytes:
        if item_id == 2:
            app.store.items.remove([2])
        return rendition(item_id)

    monkeypatch.setattr(app.store.pictures, "rendition", removed_first)
    assert export_items(Exported.of(app), tmp_path / "out", "folder") == 3
    assert [row["item_id"] for row in read(tmp_path / "out" / "items.csv")] == ["1", "3", "4"]
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 3


@pytest.mark.parametrize("kind", ["csv", "parquet", "npy", "folder"])
def test_what_a_killed_export_left_is_in_nobodys_way(
    app: LiveApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """In a container the next process has the same number."""

    def killed(*_args: object, **_names: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        patch.setattr(os, "link", killed)
        patch.setattr(Path, "unlink", killed)
        patch.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            export_items(Exported.of(app), tmp_path / "out", kind)
    [left, *_] = tmp_path.glob(".*.part")
    assert export_items(Exported.of(app), tmp_path / "out", kind) == 4
    assert left.exists()  # it could be at work still
    for path in tmp_path.glob(".*.part"):
        os.utime(path, (0, 0))
    (tmp_path / ".mine.part").touch()
    os.utime(tmp_path / ".mine.part", (0, 0))
    export_items(Exported.of(app), tmp_path / "again", kind)
    assert [path.name for path in tmp_path.glob(".*.part")] == [".mine.part"]


def test_an_exported_folder_comes_back_as_what_it_was(app: LiveApp, tmp_path: Path) -> None:
    """What an export says of its items besides their words is no attribute of theirs."""
    assert {*EXPORTED} == {*COLUMNS} - {"title", "captions", "held_out"}
    export_items(Exported.of(app), tmp_path / "out", "folder")
    again = make_live_app(tmp_path / "again", shared_model())
    again.tasks.index(str(tmp_path / "out"), ignore_progress)
    before, after = ({item.title: item for item in each.page(9)} for each in (app, again))
    assert {title: item.captions for title, item in after.items()} == {title: item.captions for title, item in before.items()}
    assert set(after["red disc"].attributes) == {"shelf", "title"}
    assert not after["no attributes"].attributes
    again.close()


def test_a_store_says_itself_which_model_its_embeddings_are_of(app: LiveApp) -> None:
    model = app.generation().model
    expected = (model.model_id, model.spec.embed_dim)
    source = Exported.of_store(app.store)
    assert app.store.models.active() is None
    assert source.model() == expected  # the only one there is
    app.generations.set_initial()
    assert source.model() == expected
    app.store.models.drop(model.model_id)
    with pytest.raises(StoreError, match="No item has an embedding of the active model"):
        source.model()


# White space at the ends, apostrophes, and all that means something in a cell, a header or a list of captions; a row has 100 lines at most.
TEXTS = st.text(st.sampled_from("=+-@'\t\n\r |\\\",;＝\u00a0aé#"), max_size=8) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=8
)
NAMES = TEXTS | st.sampled_from(
    ["title", "Title", "image", "imgUrl", "id", "asin", "name", "held_out", "attribute title", "attribute x"]
)
Words = tuple[str, list[str], dict[str, str], bool]
WORDS = st.tuples(TEXTS, st.lists(TEXTS, max_size=4), st.dictionaries(NAMES, TEXTS, max_size=4), st.booleans())


def collection(folder: Path, said: list[Words]) -> Store:
    store = Store(folder / "c.sqlite3")
    for number, (title, captions, attributes, held_out) in enumerate(said):
        data = png("red", "disc", number)
        picture = Picture(f"{number:064}", 1, 1, np.zeros((1, 1, 3), np.uint8), data, data)
        words = {"captions": tuple(captions), "attributes": attributes, "held_out": held_out}
        store.items.add(NewItem(f"{number}", title, picture, np.eye(1, 2, dtype=np.float32)[0], **words), model_id="m")
    return store


@pytest.mark.slow
@given(said=st.lists(WORDS, min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_what_is_exported_and_indexed_again_says_exactly_the_same(
    tmp_path_factory: pytest.TempPathFactory, said: list[Words]
) -> None:
    folder = tmp_path_factory.mktemp("again")
    store = collection(folder, said)
    items = store.items.get_many(range(1, len(said) + 1))
    export_items(Exported(store, lambda: ("m", 2)), folder / "out", "folder")
    store.close()
    table = folder / "out" / "items.csv"
    with table.open(encoding="utf-8-sig", newline="") as file:
        assert not [cell for row in csv.reader(file) for cell in row if cell.startswith((*"=+-@＝＋－＠\t\r\n",))]
    entries = list(CsvSource(table, limits=SourceLimits()).rows())
    rows = [entry for entry in entries if isinstance(entry, SourceRow)]
    assert [(row.title, row.captions, row.attributes, row.held_out) for row in rows] == [
        (item.title, item.captions, item.attributes, item.held_out) for item in items
    ]
    assert [(row.key, (folder / "out" / row.location).is_file()) for row in rows] == [(f"{item.item_id}", True) for item in items]


@given(text=TEXTS)
def test_a_cell_is_restored_to_what_was_defused(text: str) -> None:
    assert restored(defused(text).strip()) == text


def test_held_out_pictures_stay_so_in_another_collection(tmp_path: Path) -> None:
    words = {"phone": "+49 30", "size": "-1", "note": "two\nlines", "imgUrl": "https://evil.test/x.jpg"}
    store = collection(tmp_path, [("-20% mug", ["left | right", "@home"], words, True)])
    export_items(Exported(store, lambda: ("m", 2)), tmp_path / "out", "folder")
    store.close()
    again = make_live_app(tmp_path / "again", shared_model())
    again.tasks.index(str(tmp_path / "out"), ignore_progress)
    [item] = again.page(9)
    assert (item.title, item.captions, item.attributes, item.held_out) == ("-20% mug", ("left | right", "@home"), words, True)
    again.close()


def test_an_export_of_an_earlier_version_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Without the column `held_out` it is not certain who wrote an apostrophe or a backslash."""
    (tmp_path / "items.csv").write_text(
        f"image,{','.join(name for name in COLUMNS if name != 'held_out')},size\n"
        "a.jpg,1,'-20% mug,a \\| b | c,added,,00,1,1,0,'-1\n"
    )
    [row] = CsvSource(tmp_path / "items.csv", limits=SourceLimits()).rows()
    assert isinstance(row, SourceRow)
    assert (row.title, row.captions, dict(row.attributes)) == ("'-20% mug", ("a \\| b", "c"), {"size": "'-1"})


def test_a_row_added_to_an_export_by_hand(app: LiveApp, tmp_path: Path) -> None:
    export_items(Exported.of(app), tmp_path / "out", "folder")
    table = tmp_path / "out" / "items.csv"
    added = ["red_mug.jpg"] + [""] * (len(read(table)[0]) - 1)
    table.write_text(table.read_text(encoding="utf-8") + ",".join(added) + "\n", encoding="utf-8")
    *_, row = CsvSource(table, limits=SourceLimits()).rows()
    assert isinstance(row, SourceRow)
    assert (row.key, row.title, row.captions, dict(row.attributes), row.held_out) == ("red_mug.jpg", "red mug", (), {}, False)


def test_an_exported_table_without_pictures_is_no_catalogue(app: LiveApp, tmp_path: Path) -> None:
    export_items(Exported.of(app), tmp_path / "out.csv")
    with pytest.raises(SourceError) as caught:
        CsvSource(tmp_path / "out.csv", limits=SourceLimits())
    assert caught.value.code == "csv_missing_columns"
