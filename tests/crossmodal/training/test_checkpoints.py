"""A model file is written whole or not at all, and believed only after it was looked at."""

import errno
import io
import json
import os
import subprocess
import sys
import textwrap
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.errors import CheckpointError, StoreError
from crossmodal.training import checkpoints
from crossmodal.training.checkpoints import check_state, flatten_state, load_checkpoint, restore_state, save_checkpoint

DETAILS = {"spec": {"embed_dim": 8, "name": "Straße"}, "figures": [0.5, 1.0], "note": None}
PROJECT = Path(__file__).resolve().parents[3]


def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "conv.weight": torch.randn(4, 3, 3, 3, generator=generator).contiguous(memory_format=torch.channels_last),
        "half": torch.randn(5, generator=generator).half(),
        "brain": torch.randn(5, generator=generator).bfloat16(),
        "scalar": torch.tensor(2.5, requires_grad=True),
        "count": torch.tensor(7),
        "nothing": torch.zeros(0, 3),
    }


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "model.pth", state(), DETAILS)
    return tmp_path / "model.pth"


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The file with its content changed by somebody who knows the format, digest included."""
    content = torch.load(path, weights_only=True)
    change(content)
    tensors = content["state_dict"]
    try:
        content["digest"] = checkpoints._digest(content["details"], tensors)
    except (AttributeError, KeyError, RuntimeError, TypeError):  # no digest fits what is no tensor
        content["digest"] = "0" * 64
    torch.save(content, path)
    return path


def refused(path: Path, match: str) -> CheckpointError:
    with pytest.raises(CheckpointError, match=match) as caught:
        load_checkpoint(path)
    assert caught.value.code == "checkpoint_invalid"
    assert path.name in str(caught.value)
    assert caught.value.remedy
    assert len(str(caught.value)) < 600
    return caught.value


def test_round_trip_to_the_bit(tmp_path: Path) -> None:
    written = save_checkpoint(tmp_path / "deep" / "model.pth", state(), DETAILS)
    read = load_checkpoint(tmp_path / "deep" / "model.pth")
    assert read.details == written.details == DETAILS
    assert read.digest == written.digest
    assert read.model_id == read.digest[:16]
    assert read.state.keys() == state().keys()
    for name, value in state().items():
        assert read.state[name].dtype == value.dtype
        assert read.state[name].shape == value.shape
        assert (
            read.state[name].numpy(force=True).tobytes() == value.detach().contiguous().numpy(force=True).tobytes()
            if (value.dtype != torch.bfloat16)
            else torch.equal(read.state[name], value)
        )
        assert not read.state[name].requires_grad


def test_the_digest_is_of_the_content_and_of_nothing_else(tmp_path: Path) -> None:
    first = save_checkpoint(tmp_path / "a.pth", state(), DETAILS).digest
    backwards = dict(reversed(state().items()))
    assert save_checkpoint(tmp_path / "b.pth", backwards, dict(reversed(DETAILS.items()))).digest == first
    changed = state()
    changed["half"] = changed["half"].clone()
    changed["half"][0] += 0.01
    renamed = {name.replace("half", "helf"): value for name, value in state().items()}
    reshaped = {name: value.view(4, 27) if value.ndim == 4 else value for name, value in state().items() if value.ndim != 4}
    for other in (changed, renamed, reshaped):
        assert save_checkpoint(tmp_path / "c.pth", other, DETAILS).digest != first
    assert save_checkpoint(tmp_path / "d.pth", state(), {**DETAILS, "note": ""}).digest != first


def test_what_was_saved_does_not_change_with_the_network(tmp_path: Path) -> None:
    live = state()
    written = save_checkpoint(tmp_path / "model.pth", live, DETAILS)
    live["half"].zero_()
    assert written.state["half"].any()


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_not_written(saved: Path, broken: float) -> None:
    before = saved.read_bytes()
    bad = state()
    bad["half"][3] = broken
    with pytest.raises(CheckpointError, match="half with values that are not finite"):
        save_checkpoint(saved, bad, DETAILS)
    assert saved.read_bytes() == before


def test_a_failure_in_the_middle_keeps_the_former_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def half_a_save(content: object, file: io.BufferedWriter) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.torch, "save", half_a_save)
    with pytest.raises(StoreError, match="No space left") as caught:
        save_checkpoint(saved, state(), {})
    assert caught.value.code == "disk_full"
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits the size of files by a POSIX call")
def test_a_full_disk_is_said_and_keeps_the_former_file(saved: Path) -> None:
    script = textwrap.dedent(
        """
        import resource, sys, torch
        from pathlib import Path
        from crossmodal.errors import StoreError
        from crossmodal.training.checkpoints import save_checkpoint
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            save_checkpoint(Path(sys.argv[1]), {"big": torch.ones(100_000)}, {})
        except StoreError as error:
            print(error.code)
        """
    )
    before = saved.read_bytes()
    said = subprocess.run([sys.executable, "-c", script, str(saved)], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    assert said.stdout == "disk_full\n"
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_the_file_is_on_the_disk_before_it_has_its_name(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a power cut could leave a new name on old or empty blocks."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda self, target: (done.append("replace"), replace(self, target))[1])
    save_checkpoint(saved, state(), DETAILS)
    assert done == ["fsync", "replace", "fsync"]  # the file, then its name in the folder


def test_what_a_killed_process_left_is_swept_but_not_what_another_still_writes(saved: Path) -> None:
    stale, young = (saved.with_name(f".draft-{letter * 32}.part") for letter in "ab")
    stale.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(stale, (0, 0))
    save_checkpoint(saved, state(), DETAILS)
    assert set(saved.parent.iterdir()) == {saved, young}


def test_saving_again_replaces_the_file(saved: Path) -> None:
    again = save_checkpoint(saved, {"weight": torch.ones(2)}, {"second": True})
    assert load_checkpoint(saved).digest == again.digest
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(saved: Path, share: float) -> None:
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * share)])
    refused(saved, "not a model file")


def test_every_changed_byte_is_noticed_or_harmless(saved: Path) -> None:
    """A flipped bit is refused, or lies in padding and changes nothing that is read."""
    good, data = load_checkpoint(saved), saved.read_bytes()
    noticed = 0
    places = range(0, len(data), 37)
    for place in places:
        saved.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            read = load_checkpoint(saved)
        except CheckpointError:
            noticed += 1
        else:
            assert read.digest == good.digest
            assert read.details == good.details
            assert all(torch.equal(read.state[name], value) for name, value in good.state.items())
    assert noticed > len(places) / 4


def test_a_missing_file_a_folder_and_a_huge_file_are_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(saved.parent / "none.pth", "does not exist")
    refused(saved.parent, "is not a regular file")
    monkeypatch.setattr(checkpoints, "MAX_BYTES", 100)
    refused(saved, "100 are the most")


def test_a_git_lfs_pointer_says_how_to_get_the_model(saved: Path) -> None:
    saved.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    assert "git lfs pull" in refused(saved, "Git LFS pointer").remedy


def archive(path: Path, *, names: list[str], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name in names:
            file.writestr(name, b"\0" * 1000)


def test_archives_that_no_save_makes_are_refused(saved: Path) -> None:
    archive(saved, names=[])
    refused(saved, "empty or compressed")
    archive(saved, names=["archive/data.pkl"], compression=zipfile.ZIP_DEFLATED)
    refused(saved, "empty or compressed")
    archive(saved, names=["archive/../../data.pkl"])
    refused(saved, "outside the archive")
    archive(saved, names=["archive/data.pkl"])
    refused(saved, "cannot be read as a model")


def test_entries_that_share_their_bytes_are_refused(saved: Path) -> None:
    """A thousand names for one megabyte are a gigabyte once read."""
    archive(saved, names=["archive/data.pkl", "archive/data/0"])
    data = bytearray(saved.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    data[second + 20 : second + 28] = (2**20).to_bytes(4, "little") * 2  # both sizes in the directory
    saved.write_bytes(bytes(data))
    refused(saved, "overlap")


def failing_reads(monkeypatch: pytest.MonkeyPatch, first: int) -> list[int]:
    """From the `first` read of a file on, the disk answers nothing; the list counts the reads."""
    reads, real = [0], checkpoints._WatchedFile._attempted

    def attempted(self: Any, read: Callable[[], Any]) -> Any:
        def counted() -> Any:
            reads[0] += 1
            if reads[0] >= first:
                raise OSError(errno.EIO, "Input/output error")
            return read()

        return real(self, counted)

    monkeypatch.setattr(checkpoints._WatchedFile, "_attempted", attempted)
    return reads


def test_a_disk_that_fails_is_not_a_model_that_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever read fails, and whatever zipfile and torch make of it."""
    with monkeypatch.context() as patched:
        reads = failing_reads(patched, first=10**9)
        load_checkpoint(saved)
    assert reads[0] > 3
    for first in range(1, reads[0] + 1):
        with monkeypatch.context() as patched:
            failing_reads(patched, first)
            with pytest.raises(StoreError, match=r"model\.pth cannot be reached: Input/output error\.") as caught:
                load_checkpoint(saved)
        assert caught.value.remedy
    load_checkpoint(saved)


@pytest.mark.parametrize(
    ("number", "match"),
    [(errno.EMFILE, "cannot be reached: Too many open files"), (errno.EACCES, "cannot be read: Permission denied")],
)
def test_a_file_that_cannot_be_opened_is_not_refused(saved: Path, monkeypatch: pytest.MonkeyPatch, number: int, match: str) -> None:
    def refuses(path: Path) -> io.FileIO:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(checkpoints, "_WatchedFile", refuses)
    with pytest.raises(StoreError, match=match):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: 4 bytes")],
)
def test_too_little_memory_is_not_a_model_that_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def exhausted(*_arguments: object, **_options: object) -> object:
        raise error

    monkeypatch.setattr(checkpoints.torch, "load", exhausted)
    with pytest.raises(MemoryError):
        load_checkpoint(saved)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a named pipe")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.pth")
    refused(tmp_path / "model.pth", "is not a regular file")


LAUGHS: list[Any] = ["ha"]
for _ in range(12):
    LAUGHS = [LAUGHS] * 10
DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a key is missing": (lambda content: content.pop("details"), "layout"),
    "a key too many": (lambda content: content.update(extra=1), "layout"),
    "another format": (lambda content: content.update(format=2), "another format"),
    "a huge format": (lambda content: content.update(format=10**5000), "another format|cannot be read"),
    "a tensor as format": (lambda content: content.update(format=torch.ones(3)), "layout"),
    "billion laughs as format": (lambda content: content.update(format=LAUGHS), "layout"),
    "details are no text": (lambda content: content.update(details={}), "layout"),
    "details are no JSON": (lambda content: content.update(details="{"), "unreadable details"),
    "details are too deep": (lambda content: content.update(details="[" * 100_000), "unreadable details"),
    "details are a list": (lambda content: content.update(details="[]"), "changed after"),
    "details with half a character": (lambda content: content.update(details='"\ud800"'), "changed after"),
    "state is a list": (lambda content: content.update(state_dict=[torch.ones(1)]), "layout"),
    "state is empty": (lambda content: content.update(state_dict={}), "no weights"),
    "a name is a number": (lambda content: content["state_dict"].update({5: torch.ones(1)}), "usable name"),
    "a name is endless": (lambda content: content["state_dict"].update({"x" * 100_000: torch.ones(1)}), "usable name"),
    "a value is a number": (lambda content: content["state_dict"].update(half=1.5), "'half', which is no tensor"),
    "a value is laughs": (lambda content: content["state_dict"].update(half=LAUGHS), "'half', which is no tensor"),
    "NaN": (lambda content: content["state_dict"]["half"].fill_(float("nan")), "not finite"),
    "infinity": (lambda content: content["state_dict"]["brain"].fill_(float("-inf")), "not finite"),
    "sparse": (lambda content: content["state_dict"].update(half=torch.eye(3).to_sparse()), "no tensor of plain numbers"),
    "meta": (lambda content: content["state_dict"].update(half=torch.empty(3, device="meta")), "no tensor of plain numbers"),
    "complex": (lambda content: content["state_dict"].update(half=torch.ones(3) * 1j), "no tensor of plain numbers"),
    "eight-bit floats": (
        lambda content: content["state_dict"].update(half=torch.ones(3).to(torch.float8_e4m3fn)),
        "no tensor of plain numbers",
    ),
    "stride of nothing": (
        lambda content: content["state_dict"].update(half=torch.zeros(1).expand(2**20, 2**20)),
        "more than is stored",
    ),
    "one storage under many names": (
        lambda content: content["state_dict"].update((f"x{i}", torch.zeros(1000)) for i in range(1)) or share_storage(content),
        "more than is stored",
    ),
}


def share_storage(content: dict[str, Any]) -> None:
    content["state_dict"].update((f"x{i}", content["state_dict"]["x0"]) for i in range(50))


@pytest.mark.filterwarnings("ignore:.*quantiz.*")
@pytest.mark.parametrize(("change", "match"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_by_somebody_who_knows_the_format_is_refused(saved: Path, change: Callable[[Any], object], match: str) -> None:
    refused(rewritten(saved, change), match)


def test_a_size_that_was_never_stored_is_refused_before_it_is_touched(saved: Path) -> None:
    """Somebody rewrites the recorded shape of a tensor; the storage stays as short as it was."""
    content = {"format": 1, "details": "{}", "digest": "0" * 64, "state_dict": {"w": torch.zeros(77_777)}}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(saved, "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename.endswith("data.pkl"):
                old, new = (b"J" + number.to_bytes(4, "little") for number in (77_777, 2**31 - 1))
                assert data.count(old) == 2  # the storage's length and the shape
                data = data[: data.rindex(old)] + new + data[data.rindex(old) + 5 :]
            target.writestr(entry.filename, data)
    refused(saved, "more than is stored|cannot be read")


def test_parameters_and_ordered_dictionaries_are_welcome(saved: Path) -> None:
    def as_a_network_has_it(content: dict[str, Any]) -> None:
        content["state_dict"] = OrderedDict(
            (name, torch.nn.Parameter(value, value.is_floating_point())) for name, value in content["state_dict"].items()
        )

    read = load_checkpoint(rewritten(saved, as_a_network_has_it))
    assert read.state.keys() == state().keys()
    assert not any(value.requires_grad for value in read.state.values())


def test_pickled_code_is_refused_and_not_run(saved: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Boom:
        def __reduce__(self) -> tuple[Any, ...]:
            return (exec, (f"open({str(canary)!r}, 'w').close()",))

    torch.save({"format": 1, "details": "{}", "digest": "", "state_dict": {"w": Boom()}}, saved)
    refused(saved, "cannot be read as a model")
    assert not canary.exists()
    torch.load(saved, weights_only=False)
    assert canary.exists()  # it would have run


def test_changed_details_are_noticed(saved: Path) -> None:
    content = torch.load(saved, weights_only=True)
    content["details"] = json.dumps({"spec": {"embed_dim": 9}})
    torch.save(content, saved)
    refused(saved, "changed after it was saved")


EXPECTED = {"a": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.int64)}
OTHER_NETWORKS = {
    "missing": ({"a": torch.zeros(2, 3)}, r"missing \['b'\], unknown \[\]"),
    "unknown": ({**EXPECTED, "c": torch.zeros(1)}, r"missing \[\], unknown \['c'\]"),
    "shape": ({**EXPECTED, "a": torch.zeros(3, 2)}, r"a of \(3, 2\) torch.float32, but \(2, 3\) torch.float32 is needed"),
    "dtype": ({**EXPECTED, "b": torch.zeros(4)}, r"b of \(4,\) torch.float32, but \(4,\) torch.int64 is needed"),
}


@pytest.mark.parametrize(("found", "match"), OTHER_NETWORKS.values(), ids=OTHER_NETWORKS.keys())
def test_another_network_is_named_with_both_sides(found: dict[str, torch.Tensor], match: str) -> None:
    check_state(Path("model.pth"), EXPECTED, EXPECTED)
    with pytest.raises(CheckpointError, match=match) as caught:
        check_state(Path("model.pth"), found, EXPECTED)
    assert caught.value.remedy


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
KEYS = st.text() | st.integers()
TREES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)


@given(TREES)
def test_plain_values_come_back(tree: object) -> None:
    tensors, plain = flatten_state(tree)
    assert tensors == {}
    assert restore_state({}, json.loads(json.dumps(plain))) == tree


def test_tensors_come_back_in_their_places() -> None:
    state = {"a": [torch.arange(3), {0: torch.ones(2), "tensor": "tensor 0"}], "dict": (1, 2.5), 7: None}
    tensors, plain = flatten_state(state)
    back = restore_state(tensors, json.loads(json.dumps(plain)))
    assert torch.equal(back["a"][0], torch.arange(3))
    assert torch.equal(back["a"][1][0], torch.ones(2))
    assert back["a"][1]["tensor"] == "tensor 0"
    assert (back["dict"], back[7]) == ([1, 2.5], None)


def test_anything_else_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot hold a set"):
        flatten_state({"a": {1, 2}})
