"""A full disk, a file that may not grow, a disk that may only be read: told plainly, nothing lost, and over when the fault is over."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.errors import StoreError
from crossmodal.indexes.synced import SyncedIndex
from crossmodal.store import Store

PROJECT = Path(__file__).resolve().parents[2]


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A memory disk of its own, where this may be made."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("needs the right to mount a memory disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if not shutil.which("mount") or not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("needs the right to mount a memory disk")
    with mounted(tmp_path / "disk", "size=3m") as folder:
        yield folder


def take_all_space(folder: Path) -> Path:
    """A file that leaves no room for another; delete it to give the room back."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    return ballast


def fill(store: Store) -> tuple[list[int], StoreError]:
    """Add until the disk is full; the numbers that were acknowledged, and what was said then."""
    acknowledged = []
    for number in range(10_000):
        try:
            store.items.add(made_up_item(number, picture_bytes=20_000), model_id=MODEL_ID)
        except StoreError as error:
            return acknowledged, error
        acknowledged.append(number)
    raise AssertionError("the disk never filled")


def check(store: Store, numbers: list[int]) -> None:
    assert store.items.count() == len(numbers)
    known = store.items.known([made_up_item(number).key for number in numbers])
    for number in numbers:
        entry = made_up_item(number, picture_bytes=20_000)
        item_id = known[entry.key].item.item_id
        assert store.pictures.rendition(item_id) == entry.picture.rendition
        assert store.embeddings.get(item_id, MODEL_ID).tobytes() == entry.embedding.tobytes()


def test_a_full_disk(small_disk: Path) -> None:
    with Store(small_disk / "catalog.sqlite3", min_free_bytes=0) as store:
        store.items.add(made_up_item(10**6, picture_bytes=20_000), model_id=MODEL_ID)
        index = SyncedIndex(store, MODEL_ID, embed_dim=64, path=small_disk / "image_features.pt")
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(2**20))
        numbers, error = fill(store)
        assert error.code == "disk_full"
        assert str(store.path) in str(error)
        assert len(numbers) > 10
        numbers.append(10**6)
        check(store, numbers)
        hits = index.search(made_up_item(numbers[3], picture_bytes=20_000).embedding[None], 1)
        assert store.items.get(hits[0][0][0]).title == made_up_item(numbers[3], picture_bytes=20_000).title
        with pytest.raises(StoreError):
            store.items.add_many(
                [made_up_item(number, picture_bytes=20_000) for number in range(20_000, 20_100)], model_id=MODEL_ID
            )
        check(store, numbers)

        ballast.unlink()
        store.items.add(made_up_item(77_777, picture_bytes=20_000), model_id=MODEL_ID)
        check(store, [*numbers, 77_777])
    with Store(small_disk / "catalog.sqlite3", min_free_bytes=0) as store:
        check(store, [*numbers, 77_777])


def test_a_full_disk_while_the_index_is_saved(small_disk: Path) -> None:
    with Store(small_disk / "catalog.sqlite3", min_free_bytes=0) as store:
        store.items.add_many([made_up_item(number) for number in range(50)], model_id=MODEL_ID)
        index = SyncedIndex(store, MODEL_ID, embed_dim=64, path=small_disk / "image_features.pt")
        index.save()
        before = index.path.read_bytes()
        store.items.remove([1])
        index.refresh()
        ballast = take_all_space(small_disk)
        with pytest.raises(StoreError) as raised:
            index.save()
        assert raised.value.code == "disk_full"
        assert index.path.read_bytes() == before
        assert not list(small_disk.glob(".draft-*"))
        ballast.unlink()
        index.save()
        assert index.path.read_bytes() != before


def test_a_disk_too_full_for_a_new_collection(small_disk: Path) -> None:
    ballast = take_all_space(small_disk)
    with pytest.raises(StoreError) as raised:
        Store(small_disk / "catalog.sqlite3", min_free_bytes=0)
    assert raised.value.code == "disk_full"
    ballast.unlink()
    with Store(small_disk / "catalog.sqlite3", min_free_bytes=0) as store:
        assert store.items.count() == 0


def test_a_disk_that_may_only_be_read(small_disk: Path) -> None:
    """Permissions do not stop the superuser; a disk mounted for reading does."""
    with Store(small_disk / "catalog.sqlite3", min_free_bytes=0) as store:
        store.items.add(made_up_item(1), model_id=MODEL_ID)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError) as raised:
        Store(small_disk / "new.sqlite3", min_free_bytes=0)
    assert raised.value.code == "read_only"
    with Store(small_disk / "catalog.sqlite3", min_free_bytes=0) as store:
        assert (store.read_only, store.items.count()) == (True, 1)
        with pytest.raises(StoreError) as raised:
            store.items.add(made_up_item(2), model_id=MODEL_ID)
        assert raised.value.code == "read_only"
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    with Store(small_disk / "catalog.sqlite3", min_free_bytes=0) as store:
        assert store.items.count() == 1


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, 1_200_000))

    path = tmp_path / "catalog.sqlite3"
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.adding", str(path), "0", "1000"],
        cwd=PROJECT,
        preexec_fn=limit,
        capture_output=True,
        check=False,
    )
    lines = done.stdout.decode().splitlines()
    assert (done.returncode, lines[-1], done.stderr) == (3, "error disk_full", b"")
    numbers = [int(line.removeprefix("ack ")) for line in lines[1:-1]]
    assert len(numbers) > 10
    with Store(path) as store:
        assert store.items.count() == len(numbers)
        assert len(store.items.known([made_up_item(number).key for number in numbers])) == len(numbers)
        store.items.add(made_up_item(5000), model_id=MODEL_ID)
