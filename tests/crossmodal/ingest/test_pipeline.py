import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from crossmodal.errors import FetchError, SourceError, StoreError
from crossmodal.ingest.picture_loader import PictureLoader
from crossmodal.ingest.pipeline import IngestReport, ingest
from crossmodal.ingest.sources.base import SourceLimits, unread
from crossmodal.ingest.sources.folder import FolderSource
from crossmodal.items import Failure, Item, NewItem, SourceRow
from crossmodal.progress import Progress, Stopped
from crossmodal.store import Store
from tests.crossmodal.ingest.fakes import (
    SQUARE_PX,
    FakeDecoder,
    FakeEncoder,
    FakeSource,
    expected_embedding,
    folder_of_pictures,
    picture_bytes,
)

MODEL = "model-a"


@dataclass
class Bench:
    """A collection, a folder of pictures, and tools that count."""

    folder: Path
    store: Store
    decoder: FakeDecoder = field(default_factory=FakeDecoder)
    encoder: FakeEncoder = field(default_factory=FakeEncoder)
    pages: dict[str, bytes] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if url not in self.pages:
            raise FetchError("http_status", "That address answered 404 (not found).", remedy="Check it.")
        return self.pages[url]

    def run(self, source: FakeSource, *, load: Callable[[SourceRow], bytes] | None = None, **options: object) -> IngestReport:
        settings: dict[str, object] = {"model_id": MODEL, "batch_size": 4, "threads": 3, **options}
        return ingest(
            source,
            load=load or PictureLoader(self.folder, fetch=self.fetch, max_image_bytes=1000),
            decoder=self.decoder,
            encode=self.encoder,
            store=self.store,
            square_px=SQUARE_PX,
            **settings,  # type: ignore[arg-type]
        )

    def source(self, rows: Sequence[SourceRow | Failure], *, name: str = "fake") -> FakeSource:
        return FakeSource(list(rows), folder=self.folder, name=name)

    def titles(self, name: str = "fake") -> list[str]:
        return sorted(item.title for item in self.store.items.page(1000, source=name))

    def item(self, title: str) -> Item:
        [item] = [item for item in self.store.items.page(1000) if item.title == title]
        return item


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    with Store(tmp_path / "catalog.sqlite3") as store:
        yield Bench(folder, store)


def counts(report: IngestReport) -> tuple[int, int, int, int, int]:
    return report.indexed, report.unchanged, report.failed, report.duplicates, report.removed


def test_every_row_is_indexed_with_its_own_picture_words_and_embedding(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 10)
    rows[3] = replace(rows[3], captions=("one", "two"), attributes={"colour": "red"}, held_out=True)
    report = bench.run(bench.source(rows))
    assert counts(report) == (10, 0, 0, 0, 0)
    assert bench.titles() == sorted(row.title for row in rows)
    item = bench.item("thing 3")
    assert (item.captions, dict(item.attributes), item.held_out, item.origin) == (
        ("one", "two"),
        {"colour": "red"},
        True,
        "thing003.jpg",
    )
    for row in rows:
        picture = FakeDecoder().decode((bench.folder / row.location).read_bytes(), square_px=SQUARE_PX)
        stored = bench.item(row.title)
        assert stored.content_hash == picture.content_hash
        np.testing.assert_array_equal(
            bench.store.embeddings.get(stored.item_id, MODEL), expected_embedding(picture.pixels[np.newaxis])[0]
        )
        assert bench.store.pictures.thumbnail(stored.item_id) == picture.thumbnail
    assert sum(bench.encoder.batches) == 10
    assert max(bench.encoder.batches) == 4


def test_failures_carry_their_reasons_and_nothing_else_is_in_the_collection(bench: Bench) -> None:
    good = folder_of_pictures(bench.folder, 3)
    (bench.folder / "text.jpg").write_text("not a picture")
    bad = [
        SourceRow("t", "Text", "text.jpg"),
        SourceRow("m", "Missing", "missing.jpg"),
        SourceRow("w", "Web", "http://x.test/none.jpg"),
        Failure("line 9", "fake", "", "Blank", "row_errors", "Line 9 has no picture address.", "Repair it."),
    ]
    report = bench.run(bench.source([*good, *bad]))
    assert counts(report) == (3, 0, 4, 0, 0)
    assert {failure.title: failure.code for failure in bench.store.failures.all("fake")} == {
        "Text": "not_an_image",
        "Missing": "file_missing",
        "Web": "http_status",
        "Blank": "row_errors",
    }
    assert all(failure.reason and failure.remedy for failure in bench.store.failures.all("fake"))
    assert len(bench.titles()) == 3


def test_a_second_run_decodes_and_encodes_nothing(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 6)
    bench.pages["http://x.test/a.jpg"] = picture_bytes("web")
    rows.append(SourceRow("web", "Web", "http://x.test/a.jpg"))
    bench.run(bench.source(rows))
    ids = {item.title: item.item_id for item in bench.store.items.page(100)}
    before = len(bench.decoder.decoded), bench.encoder.encoded, len(bench.fetched)
    assert counts(bench.run(bench.source(rows))) == (0, 7, 0, 0, 0)
    assert (len(bench.decoder.decoded), bench.encoder.encoded, len(bench.fetched)) == before
    assert {item.title: item.item_id for item in bench.store.items.page(100)} == ids


def test_only_a_changed_file_is_encoded_again_and_changed_words_cost_no_encoding(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 5)
    bench.run(bench.source(rows))
    old = bench.item("thing 1")
    (bench.folder / rows[1].location).write_bytes(picture_bytes("new picture"))
    rows[2] = replace(rows[2], title="renamed")
    assert counts(bench.run(bench.source(rows))) == (1, 4, 0, 0, 0)
    assert bench.encoder.encoded == 6
    assert bench.item("thing 1").item_id == old.item_id
    assert bench.item("thing 1").content_hash != old.content_hash
    assert "renamed" in bench.titles()


def test_equal_pictures_are_encoded_once_within_and_between_runs(bench: Bench) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (bench.folder / name).write_bytes(picture_bytes("same"))
    rows = [SourceRow(name, name, name) for name in ("a.jpg", "b.jpg")]
    bench.run(bench.source(rows))
    bench.run(bench.source([*rows, SourceRow("c.jpg", "c.jpg", "c.jpg")]))
    assert bench.encoder.encoded == 1
    first, second, third = (bench.store.embeddings.get(bench.item(name).item_id, MODEL) for name in ("a.jpg", "b.jpg", "c.jpg"))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)


def test_another_model_encodes_what_the_collection_has_without_it(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 3)
    bench.pages["http://x.test/a.jpg"] = picture_bytes("web")
    rows.append(SourceRow("web", "Web", "http://x.test/a.jpg"))
    bench.run(bench.source(rows))
    assert counts(bench.run(bench.source(rows), model_id="model-b")) == (4, 0, 0, 0, 0)
    assert bench.encoder.encoded == 8
    assert bench.store.models.counts() == {MODEL: 4, "model-b": 4}


def test_vanished_rows_leave_the_collection_and_come_back_with_their_rows(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 4)
    bench.pages["http://x.test/a.jpg"] = picture_bytes("web")
    rows.append(SourceRow("web", "thing 4", "http://x.test/a.jpg"))
    other = bench.source(folder_of_pictures(bench.folder, 2, prefix="other"), name="other")
    bench.run(bench.source(rows))
    bench.run(other)
    ids = {item.title: item.item_id for item in bench.store.items.page(100)}
    assert counts(bench.run(bench.source(rows[:3]))) == (0, 3, 0, 0, 2)
    assert bench.titles() == ["thing 0", "thing 1", "thing 2"]
    assert len(bench.titles("other")) == 2
    assert counts(bench.run(bench.source(rows))) == (0, 5, 0, 0, 0)
    assert {item.title: item.item_id for item in bench.store.items.page(100)} == ids
    assert bench.encoder.encoded == 7


def test_a_renamed_file_stays_the_item_it_was(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 3)
    bench.run(bench.source(rows))
    before = {title: bench.item(title).item_id for title in bench.titles()}
    (bench.folder / rows[1].location).rename(bench.folder / "moved.jpg")
    rows[1] = SourceRow("moved.jpg", "moved", "moved.jpg")
    report = bench.run(bench.source(rows))
    assert (report.renamed, counts(report)) == (1, (0, 2, 0, 0, 0))
    assert bench.item("moved").item_id == before["thing 1"]
    assert bench.encoder.encoded == 3
    # Away for one reading, and back under a third name.
    bench.run(bench.source([rows[0], rows[2]]))
    rows[1] = SourceRow("again.jpg", "again", "moved.jpg")
    assert bench.run(bench.source(rows)).renamed == 1
    assert bench.item("again").item_id == before["thing 1"]
    bench.store.items.remove([before["thing 1"]])
    assert bench.run(bench.source(rows)).renamed == 0
    assert bench.titles() == ["thing 0", "thing 2"], "it has its row again: a person removed it"


def test_a_rename_is_followed_by_the_next_run_when_one_is_stopped(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 3)
    bench.run(bench.source(rows))
    before = bench.item("thing 0").item_id
    rows[0] = SourceRow("moved", "moved", rows[0].location)
    stop = threading.Event()

    def load(row: SourceRow) -> bytes:
        while row.key != "moved" and "moved" not in bench.titles():
            time.sleep(0.01)
        if row.key != "moved":
            stop.set()
        return (bench.folder / row.location).read_bytes()

    with pytest.raises(Stopped):
        bench.run(bench.source(rows), batch_size=1, load=load, stop=stop)
    report = bench.run(bench.source(rows))
    assert (report.renamed, report.indexed, report.removed) == (1, 0, 0)
    assert bench.item("moved").item_id == before


def test_a_vanished_row_that_fails_when_it_returns_comes_back_when_it_is_whole(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 2)
    whole = (bench.folder / rows[1].location).read_bytes()
    bench.run(bench.source(rows))
    bench.run(bench.source(rows[:1]))
    (bench.folder / rows[1].location).write_bytes(b"half")
    assert counts(bench.run(bench.source(rows))) == (0, 1, 1, 0, 0)
    (bench.folder / rows[1].location).write_bytes(whole)
    bench.run(bench.source(rows))
    assert bench.titles() == ["thing 0", "thing 1"]
    assert bench.store.failures.all() == []


def test_vanished_rows_that_a_stopped_run_did_not_reach_come_back_with_the_next(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 40)
    bench.run(bench.source(rows))
    bench.run(bench.source(rows[:1]))
    stop = threading.Event()
    read: list[str] = []

    def load(row: SourceRow) -> bytes:
        read.append(row.key)
        if len(read) > 5:
            stop.set()
        return (bench.folder / row.location).read_bytes()

    with pytest.raises(Stopped):
        bench.run(bench.source(rows), load=load, stop=stop)
    assert len(bench.titles()) < 40
    bench.run(bench.source(rows))
    assert len(bench.titles()) == 40


def test_what_a_person_removed_stays_away_also_when_it_is_forgotten(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 3)
    bench.run(bench.source(rows))
    bench.store.items.remove([bench.item("thing 1").item_id])
    bench.run(bench.source([rows[0], rows[1]]))  # row 2 is away for a while
    bench.store.items.purge()
    assert counts(bench.run(bench.source(rows))) == (1, 2, 0, 0, 0)
    assert counts(bench.run(bench.source(rows), look_again="everything")) == (0, 3, 0, 0, 0)
    assert bench.titles() == ["thing 0", "thing 2"]


def test_rows_that_may_lie_in_a_part_that_cannot_be_read_are_not_taken_for_gone(bench: Bench) -> None:
    rows = [replace(row, key=f"sub/{row.key}") for row in folder_of_pictures(bench.folder, 3)]
    rows += folder_of_pictures(bench.folder, 2, prefix="other")
    bench.run(bench.source(rows))
    part = unread(Failure("sub", "fake", "sub", "sub", "file_missing", "The folder cannot be read.", "Check it."), "sub/")
    report = bench.run(bench.source([part, *rows[3:4]]))
    assert (report.removed, report.unread, report.failed) == (1, 3, 1)
    assert bench.titles() == ["other 0", "thing 0", "thing 1", "thing 2"]
    assert [failure.key for failure in bench.store.failures.all()] == ["fake\nsub"]
    report = bench.run(bench.source(rows[3:4]))
    assert (report.removed, report.unread) == (3, 0)


def test_what_a_person_removed_stays_removed(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 3)
    bench.run(bench.source(rows))
    bench.run(bench.source(rows[:2]))
    bench.run(bench.source(rows))  # row 2 vanished and came back: from now on it is like any other
    for title in ("thing 1", "thing 2"):
        bench.store.items.remove([bench.item(title).item_id])
    (bench.folder / rows[1].location).write_bytes(picture_bytes("another picture"))
    assert counts(bench.run(bench.source(rows))) == (0, 3, 0, 0, 0)
    assert counts(bench.run(bench.source(rows), look_again="everything")) == (0, 3, 0, 0, 0)
    assert bench.titles() == ["thing 0"]


def test_a_file_that_goes_bad_keeps_its_last_good_picture_and_is_listed(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 2)
    good = (bench.folder / rows[0].location).read_bytes()
    bench.run(bench.source(rows))
    (bench.folder / rows[0].location).write_bytes(b"broken")
    assert counts(bench.run(bench.source(rows))) == (0, 1, 1, 0, 0)
    assert len(bench.titles()) == 2
    [failure] = bench.store.failures.all("fake")
    assert failure.code == "not_an_image"
    (bench.folder / rows[0].location).write_bytes(good)
    assert counts(bench.run(bench.source(rows))) == (0, 2, 0, 0, 0)
    assert bench.store.failures.all("fake") == []


def test_failures_are_retried_without_reading_what_is_indexed(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 4)
    rows += [SourceRow("late", "Late", "late.jpg"), SourceRow("web", "Web", "http://x.test/a.jpg")]
    assert counts(bench.run(bench.source(rows))) == (4, 0, 2, 0, 0)
    (bench.folder / "late.jpg").write_bytes(picture_bytes("late"))
    read: list[str] = []

    def load(row: SourceRow) -> bytes:
        read.append(row.key)
        return PictureLoader(bench.folder, fetch=bench.fetch, max_image_bytes=1000)(row)

    assert counts(bench.run(bench.source(rows), load=load, look_again="failures")) == (1, 4, 1, 0, 0)
    assert sorted(read) == ["late", "web"]
    [failure] = bench.store.failures.all("fake")
    assert (failure.title, failure.attempts) == ("Web", 2)


def test_a_failure_whose_row_is_gone_is_forgotten(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 2)
    bench.run(bench.source([*rows, SourceRow("m", "Missing", "missing.jpg")]))
    assert len(bench.store.failures.all()) == 1
    bench.run(bench.source(rows))
    assert bench.store.failures.all() == []


def test_everything_is_fetched_again_when_asked(bench: Bench) -> None:
    url = "http://x.test/a.jpg"
    bench.pages[url] = picture_bytes("old")
    rows = [SourceRow("web", "Web", url)]
    bench.run(bench.source(rows))
    bench.pages[url] = picture_bytes("new")
    assert counts(bench.run(bench.source(rows))) == (0, 1, 0, 0, 0)
    assert counts(bench.run(bench.source(rows), look_again="everything")) == (1, 0, 0, 0, 0)
    assert len(bench.fetched) == 2


def test_a_host_is_asked_by_two_at_once_at_most(bench: Bench) -> None:
    lock = threading.Lock()
    now: dict[str, int] = {}
    most: dict[str, int] = {}
    both = threading.Barrier(2, timeout=10)

    def load(row: SourceRow) -> bytes:
        host = row.location.split("/")[2]
        with lock:
            now[host] = now.get(host, 0) + 1
            most[host] = max(most.get(host, 0), now[host])
        if host == "a.test":
            both.wait()  # passes only when a second one is on its way
        with lock:
            now[host] -= 1
        return picture_bytes(row.key)

    rows = [SourceRow(f"{host}{n}", f"{host} {n}", f"http://{host}/{n}.jpg") for n in range(10) for host in ("a.test", "b.test")]
    assert bench.run(bench.source(rows), load=load, threads=8).indexed == 20
    assert most["a.test"] == 2
    assert most["b.test"] <= 2


def test_stopping_keeps_what_was_done_and_the_next_run_goes_on(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 40)
    stop = threading.Event()
    encode = bench.encoder

    def load(row: SourceRow) -> bytes:
        if encode.encoded >= 12:
            stop.set()
        return (bench.folder / row.location).read_bytes()

    told: list[Progress] = []
    with pytest.raises(Stopped):
        bench.run(bench.source(rows), load=load, stop=stop, on_progress=told.append)
    done = bench.encoder.encoded
    assert 12 <= done < 40
    assert bench.store.items.count() == done
    assert (told[-1].done, told[-1].total) == (done, 40)
    assert not bench.store.sources.all()[0].completed_at
    report = bench.run(bench.source(rows))
    assert counts(report) == (40 - done, done, 0, 0, 0)
    assert bench.encoder.encoded == 40
    assert bench.store.sources.all()[0].completed_at


def test_a_folder_that_was_moved_is_not_brought_in_twice(tmp_path: Path, bench: Bench) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    rows = folder_of_pictures(old, 3)
    limits = SourceLimits()

    def load(row: SourceRow) -> bytes:
        return ((old if old.exists() else new) / row.location).read_bytes()

    bench.run(FolderSource(old, limits=limits), load=load)  # type: ignore[arg-type]
    before = [item.item_id for item in bench.store.items.page(9)]
    old.rename(new)
    report = bench.run(FolderSource(new, limits=limits), load=load)  # type: ignore[arg-type]
    assert counts(report) == (0, 0, 0, 0, 0)
    assert report.renamed == len(rows) == 3
    assert [item.item_id for item in bench.store.items.page(9)] == before
    assert [info.location for info in bench.store.sources.all()] == [str(new)]


def test_stopping_before_the_end_removes_nothing(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 5)
    bench.run(bench.source(rows))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        bench.run(bench.source(rows[:1]), stop=stop)
    assert bench.store.items.count() == 5


def test_a_write_that_fails_ends_the_run_and_loses_only_what_was_not_committed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, before = folder_of_pictures(bench.folder, 40), set(threading.enumerate())
    with Store(tmp_path / "full.sqlite3") as store:
        add_many, writes = store.items.add_many, itertools.count(1)

        def third_fails(entries: Sequence[NewItem], *, model_id: str, **rest: object) -> list[Item]:
            if next(writes) == 3:
                raise StoreError("disk_full", "The disk is full.", remedy="Make room.")
            return add_many(entries, model_id=model_id, **rest)  # type: ignore[arg-type]

        monkeypatch.setattr(store.items, "add_many", third_fails)
        broken = Bench(bench.folder, store)
        with pytest.raises(StoreError) as error:
            broken.run(broken.source(rows))
        assert error.value.code == "disk_full"
        kept = store.items.count()
        assert 8 <= kept <= 16
        report = broken.run(broken.source(rows))
        assert counts(report) == (40 - kept, kept, 0, 0, 0)
        assert store.items.count() == 40
    assert set(threading.enumerate()) <= before  # other tests may have left some


def test_a_mistake_of_ours_is_not_dressed_up_as_a_failure_of_the_row(bench: Bench) -> None:
    def load(row: SourceRow) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bench.run(bench.source(folder_of_pictures(bench.folder, 3)), load=load)


def test_a_catalogue_that_breaks_off_removes_nothing(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 5)
    bench.run(bench.source(rows))

    class Broken(FakeSource):
        def rows(self) -> Iterator[SourceRow | Failure]:
            yield self.entries[0]
            raise SourceError("csv_encoding", "Line 3 is not UTF-8 text.")

    with pytest.raises(SourceError):
        bench.run(Broken(list(rows), folder=bench.folder))
    assert bench.store.items.count() == 5


def test_progress_counts_to_the_total_and_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossmodal.ingest.report._PAUSE_S", 0.0)
    told: list[Progress] = []
    rows = [*folder_of_pictures(bench.folder, 9), SourceRow("m", "Missing", "missing.jpg")]
    bench.run(bench.source(rows), on_progress=told.append)
    assert told[-1].finished
    assert (told[-1].done, told[-1].total, told[-1].failed) == (10, 10, 1)
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert any(0 < each.done < 10 and each.total == 10 and not each.finished for each in told)


def test_a_slow_source_is_not_kept_waiting_for_a_full_batch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossmodal.ingest.pipeline._LONGEST_WAIT_S", 0.05)
    seen: list[int] = []

    def load(row: SourceRow) -> bytes:
        if row.key == "thing003.jpg":
            deadline = threading.Event()
            for _ in range(100):
                if bench.store.items.count() == 3:
                    break
                deadline.wait(0.05)
            seen.append(bench.store.items.count())
        return (bench.folder / row.location).read_bytes()

    bench.run(bench.source(folder_of_pictures(bench.folder, 4)), load=load, batch_size=32)
    assert seen == [3]


def test_a_folder_and_its_table_are_one_collection(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 3)
    bench.run(bench.source(rows, name="folder"))
    before = [item.item_id for item in bench.store.items.page(9)]
    named = [replace(row, title=f"The {row.title}", captions=("a thing", row.title)) for row in rows]
    report = bench.run(bench.source(named, name="table"))
    assert (counts(report), report.joined, report.renamed) == ((0, 0, 0, 0, 0), 3, 0)
    assert [item.item_id for item in bench.store.items.page(9)] == before
    assert bench.encoder.encoded == 3
    report = bench.run(bench.source(named, name="table"))
    assert (counts(report), report.joined) == ((0, 3, 0, 0, 0), 0)
    assert bench.run(bench.source(named[:2], name="table")).removed == 0
    assert bench.store.items.count() == 3
    assert bench.store.sources.counts() == {"folder": 3, "table": 2}
    assert bench.run(bench.source([], name="folder")).removed == 1
    assert bench.titles("table") == ["The thing 0", "The thing 1"]


def test_joining_that_is_stopped_goes_on_with_the_next_run(bench: Bench) -> None:
    rows = folder_of_pictures(bench.folder, 40)
    bench.run(bench.source(rows, name="folder"))
    stop, read = threading.Event(), itertools.count()

    def load(row: SourceRow) -> bytes:
        if next(read) == 12:
            stop.set()
        return (bench.folder / row.location).read_bytes()

    with pytest.raises(Stopped):
        bench.run(bench.source(rows, name="table"), load=load, stop=stop)
    report = bench.run(bench.source(rows, name="table"))
    assert report.joined + report.unchanged == 40
    assert (report.indexed, bench.store.items.count(), bench.encoder.encoded) == (0, 40, 40)
    assert bench.store.sources.counts() == {"folder": 40, "table": 40}


def test_what_a_person_removed_for_good_does_not_come_back_with_a_moved_folder(tmp_path: Path, bench: Bench) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    folder_of_pictures(old, 3)

    def load(row: SourceRow) -> bytes:
        return ((old if old.exists() else new) / row.location).read_bytes()

    bench.run(FolderSource(old, limits=SourceLimits()), load=load)  # type: ignore[arg-type]
    [gone, *others] = bench.store.items.page(9)
    bench.store.items.remove([gone.item_id])
    bench.store.items.purge()
    old.rename(new)
    for renamed, unchanged in ((2, 1), (0, 3)):
        report = bench.run(FolderSource(new, limits=SourceLimits()), load=load)  # type: ignore[arg-type]
        assert (report.indexed, report.renamed, report.unchanged) == (0, renamed, unchanged)
        assert [item.item_id for item in bench.store.items.page(9)] == [item.item_id for item in others]
