"""The download against a hub on this computer, with the true client: whole, resumed, and failing in every known way."""

import errno
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crossmodal.errors import BusyError, CrossmodalError, StoreError, WeightsError
from crossmodal.hub import download as module
from crossmodal.hub import remote
from crossmodal.hub.download import Timing, arrived_bytes, discard, download, present, record_path
from crossmodal.hub.files import read_record
from crossmodal.progress import Progress, Stopped
from tests.crossmodal.hub.loopback import COMMIT, Hub, point_client_at, respond, serving

NAME = "somebody/tiny-model"
WEIGHTS = "model.safetensors"
PROJECT = Path(__file__).resolve().parents[3]


@dataclass
class Clock:
    """Time that passes only when it is waited for, besides the true one."""

    skipped: float = 0.0
    waits: list[float] = field(default_factory=list)

    def timing(self) -> Timing:
        def wait(stop: threading.Event, seconds: float) -> None:
            self.waits.append(seconds)
            self.skipped += seconds

        return Timing(lambda: time.monotonic() + self.skipped, wait)


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """Files of a model, and some that nobody asked for."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "clip"}')
    (folder / "tokenizer.json").write_text(json.dumps({"vocabulary": ["token"] * 2000}))
    (folder / WEIGHTS).write_bytes(random.Random(0).randbytes(600_000))
    (folder / "pytorch_model.bin").write_bytes(bytes(9000))
    (folder / "README.md").write_text("not asked for")
    (folder / "run_me.py").write_text("not asked for either")
    return folder


@pytest.fixture
def hub(served: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(served) as running:
        point_client_at(running.url, monkeypatch)
        yield running


def fetch(home: Path, **options: Any) -> Any:
    return download(NAME, home, on_progress=options.pop("on_progress", lambda _progress: None), **options)


def test_a_model_is_fetched_checked_and_put_in_place(hub: Hub, served: Path, tmp_path: Path) -> None:
    home, seen = tmp_path / "weights", list[Progress]()
    record = fetch(home, on_progress=seen.append)
    assert record.folder == home / "tiny-model"
    assert (record.repository, record.commit) == (NAME, COMMIT)
    names = {"config.json", "tokenizer.json", WEIGHTS}
    assert set(record.files) == names
    for name in names:
        assert (record.folder / name).read_bytes() == (served / name).read_bytes()
        assert record.files[name].sha256 == hashlib.sha256((served / name).read_bytes()).hexdigest()
    assert read_record(record_path(NAME, home)) == record
    assert {entry.name for entry in home.iterdir()} >= {"tiny-model", "tiny-model.json"}
    assert not (home / "tiny-model.part").exists()
    assert seen[-1].finished
    assert seen[-1].done == seen[-1].total == record.size_bytes
    assert seen[-1].message == "somebody/tiny-model is here: 618 kB"


def test_a_second_time_nothing_is_asked(hub: Hub, tmp_path: Path) -> None:
    first = fetch(tmp_path)
    requests = len(hub.api) + len(hub.asked)
    assert fetch(tmp_path) == first
    assert len(hub.api) + len(hub.asked) == requests


def test_no_token_goes_to_another_origin(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch(tmp_path)
    assert [request.authorization for request in hub.asked if request.name == WEIGHTS] == [""]


def test_a_cut_line_goes_on_where_it_was_cut(hub: Hub, tmp_path: Path) -> None:
    hub.cut_at, hub.cuts = 100_000, 4
    fetch(tmp_path, timing=Clock().timing())
    begins = [request.begin for request in hub.asked if request.name == WEIGHTS]
    assert len(begins) == 5
    assert begins == sorted(begins)
    assert begins[1] > 0


def test_a_server_that_ignores_ranges_starts_again(hub: Hub, tmp_path: Path) -> None:
    hub.cut_at, hub.cuts, hub.ignore_range = 100_000, 1, True
    assert fetch(tmp_path, timing=Clock().timing()).check(whole=True)


def test_a_server_that_always_starts_again_and_never_ends_is_given_up(hub: Hub, tmp_path: Path) -> None:
    hub.cut_at, hub.cuts, hub.ignore_range = 100_000, 10**6, True
    with pytest.raises(WeightsError, match="cut again and again"):
        fetch(tmp_path, timing=Clock().timing())
    assert len([request for request in hub.asked if request.name == WEIGHTS]) < 20


def test_a_stopped_download_is_resumed_without_a_byte_twice(hub: Hub, tmp_path: Path) -> None:
    hub.bytes_per_s, stop = 2_000_000, threading.Event()

    def stop_in_the_middle(progress: Progress) -> None:
        if progress.done > 300_000:
            stop.set()

    with pytest.raises(Stopped, match="stopped"):
        fetch(tmp_path, on_progress=stop_in_the_middle, stop=stop)
    kept = arrived_bytes(NAME, tmp_path)
    assert kept > 300_000
    hub.bytes_per_s = None
    record = fetch(tmp_path)
    assert resumed(hub) == [(WEIGHTS, record.size_bytes - kept)]
    assert arrived_bytes(NAME, tmp_path) == 0


def resumed(hub: Hub) -> list[tuple[str, int]]:
    """Files that were not asked for from their beginning, with the bytes sent; all others were asked for once."""
    assert len([request for request in hub.asked if not request.begin]) == 3
    return [(request.name, request.sent) for request in hub.asked if request.begin]


KILLED = """
    import sys
    from pathlib import Path
    from crossmodal.hub.download import download

    def report(progress):
        print(progress.done, flush=True)

    download(sys.argv[1], Path(sys.argv[2]), on_progress=report)
"""


@pytest.mark.slow
def test_a_killed_download_is_resumed_without_a_byte_twice(hub: Hub, tmp_path: Path) -> None:
    hub.bytes_per_s = 1_000_000
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "PYTHONPATH": str(PROJECT), "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", textwrap.dedent(KILLED), NAME, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) > 200_000:
                os.kill(process.pid, signal.SIGKILL)
                break
    kept = arrived_bytes(NAME, tmp_path)
    assert kept > 100_000
    hub.bytes_per_s = None
    record = fetch(tmp_path)
    assert resumed(hub) == [(WEIGHTS, record.size_bytes - kept)]


def test_a_stop_is_obeyed_while_nothing_arrives(hub: Hub, tmp_path: Path) -> None:
    hub.silent_after, stop = 50_000, threading.Event()
    began = 0.0

    def stop_when_silent(progress: Progress) -> None:
        nonlocal began
        if progress.done > 40_000 and not stop.is_set():
            began = time.monotonic()
            stop.set()

    with pytest.raises(Stopped):
        fetch(tmp_path, on_progress=stop_when_silent, stop=stop)
    assert time.monotonic() - began < 5.0  # of a busy computer; 0.2 s on an idle one


def test_a_pause_is_no_silence_and_no_slow_line(hub: Hub, tmp_path: Path) -> None:
    clock, paused = Clock(), []

    def pause_once(progress: Progress) -> None:
        if progress.done and not paused:
            paused.append(progress)
            clock.skipped += 3600.0

    fetch(tmp_path, on_progress=pause_once, timing=clock.timing())
    assert paused
    assert clock.waits == []


def refuse(status: int, **headers: str) -> Callable[[Any], bool]:
    return lambda handler: respond(handler, status, b"no", **headers)


PORTAL = b"<html>Please log in to this network</html>"
API_FAULTS: dict[str, tuple[Callable[[Any], bool], str, str]] = {
    "gated": (refuse(401, X_Error_Code="GatedRepo"), "forbidden", "asks for an agreement"),
    "unknown": (refuse(404, X_Error_Code="RepoNotFound"), "not_found", "no model somebody/tiny-model"),
    "bare 404": (refuse(404), "not_found", "HTTP 404"),
    "forbidden": (refuse(403), "forbidden", "HTTP 403"),
    "busy for an hour": (refuse(429, Retry_After="3600"), "rate_limited", "too many requests"),
    "broken": (refuse(500), "http_status", "HTTP 500"),
    "captive portal": (lambda handler: respond(handler, 200, PORTAL, Content_Type="text/html"), "bad_response", "not the hub"),
    "moved": (refuse(404, X_Error_Code="RevisionNotFound"), "not_found", "moved"),
}


@pytest.mark.parametrize("fault", API_FAULTS)
def test_a_refused_list_is_one_true_sentence(hub: Hub, tmp_path: Path, fault: str) -> None:
    hub.fail_api, code, said = API_FAULTS[fault]
    with pytest.raises(WeightsError, match=said) as caught:
        fetch(tmp_path, timing=Clock().timing())
    assert caught.value.code == code
    assert caught.value.remedy
    assert "\n" not in caught.value.sentence
    assert hub.asked == []


BODY_FAULTS = {name: API_FAULTS[name] for name in ("bare 404", "forbidden", "busy for an hour", "broken", "captive portal")}


@pytest.mark.parametrize("fault", BODY_FAULTS)
def test_a_refused_file_is_one_true_sentence(hub: Hub, tmp_path: Path, fault: str) -> None:
    hub.fail_body, code, _said = BODY_FAULTS[fault]
    with pytest.raises(WeightsError) as caught:
        fetch(tmp_path, timing=Clock().timing())
    assert caught.value.code == code
    assert not (tmp_path / "tiny-model").exists()
    hub.fail_body = lambda handler: False
    assert fetch(tmp_path).check(whole=True)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_short_refusal_is_waited_for(hub: Hub, tmp_path: Path, status: int) -> None:
    refusals, clock = iter([True, True]), Clock()
    hub.fail_body = lambda handler: next(refusals, False) and respond(handler, status, Retry_After="7")
    fetch(tmp_path, timing=clock.timing())
    assert sum(clock.waits) == pytest.approx(16.0 if status == 429 else 3.0, abs=1.5)


def test_a_state_that_moved_after_the_list_was_sent_is_said(hub: Hub, tmp_path: Path) -> None:
    hub.listing = lambda answer: answer | {"sha": "f" * 40}
    with pytest.raises(WeightsError, match="no such state"):
        fetch(tmp_path)
    hub.listing = lambda answer: answer
    assert fetch(tmp_path).commit == COMMIT


def test_a_new_state_begun_before_keeps_what_is_the_same(hub: Hub, served: Path, tmp_path: Path) -> None:
    hub.corrupt = {WEIGHTS}
    with pytest.raises(WeightsError):
        fetch(tmp_path)
    hub.corrupt, hub.commit = set(), "e" * 40
    (served / WEIGHTS).write_bytes(random.Random(1).randbytes(500_000))
    hub.asked.clear()
    assert fetch(tmp_path).commit == "e" * 40
    assert {request.name for request in hub.asked} == {WEIGHTS}


def test_wrong_bytes_of_the_right_length_are_refused_and_fetched_again(hub: Hub, tmp_path: Path) -> None:
    hub.corrupt = {WEIGHTS}
    with pytest.raises(WeightsError, match="its hash is wrong") as caught:
        fetch(tmp_path)
    assert caught.value.code == "bad_response"
    assert not (tmp_path / "tiny-model").exists()
    hub.corrupt = set()
    assert fetch(tmp_path).check(whole=True)


def test_without_a_route_one_line_says_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    point_client_at(f"http://127.0.0.1:{port}", monkeypatch)
    began = time.monotonic()
    with pytest.raises(WeightsError, match="cannot be reached") as caught:
        fetch(tmp_path)
    assert time.monotonic() - began < 10
    assert "config.json, tokenizer.json, model.safetensors" in caught.value.remedy
    assert str(tmp_path / "tiny-model") in caught.value.remedy


def test_a_hub_that_is_silent_is_given_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        point_client_at(f"http://127.0.0.1:{server.getsockname()[1]}", monkeypatch)
        with pytest.raises(WeightsError, match="did not answer in time") as caught:
            fetch(tmp_path, answer_s=0.4)
    assert caught.value.code == "timeout"


def test_a_silent_body_is_given_up_in_the_end(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "SILENCE_S", 0.1)
    hub.silent_after = 0
    with pytest.raises(WeightsError, match="did not answer in time"):
        fetch(tmp_path, timing=Clock().timing())


def test_a_full_disk_is_said_before_anything_is_fetched(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(StoreError, match=r"needs 17 MB more.*has 1 kB free") as caught:
        fetch(tmp_path)
    assert caught.value.code == "disk_full"
    assert hub.asked == []


def test_a_disk_that_fills_up_meanwhile_is_said_and_keeps_what_arrived(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, arrived = module._write, []

    def fill_up(opened: Any, chunk: bytes) -> None:
        arrived.append(len(chunk))
        if sum(arrived) > 200_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(opened, chunk)

    monkeypatch.setattr(module, "_write", fill_up)
    with pytest.raises(StoreError) as caught:
        fetch(tmp_path)
    assert caught.value.code == "disk_full"
    assert arrived_bytes(NAME, tmp_path) == sum(arrived[:-1])
    monkeypatch.setattr(module, "_write", write)
    assert fetch(tmp_path).check(whole=True)


def test_a_slow_line_is_no_broken_one(hub: Hub, tmp_path: Path) -> None:
    """Every piece takes most of a second by the clock; rate and time left are shown, and nothing is given up."""
    clock, seen = Clock(), list[Progress]()
    hub.cut_at, hub.cuts = 20_000, 3

    def take_long(progress: Progress) -> None:
        clock.skipped += 0.9
        seen.append(progress)

    fetch(tmp_path, on_progress=take_long, timing=clock.timing())
    shown = [progress for progress in seen if progress.rate_per_s and progress.seconds_left is not None]
    assert shown
    assert all(progress.done <= progress.total for progress in seen)
    assert clock.waits == []


def hostile(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(answer: dict[str, Any]) -> dict[str, Any]:
        for entry in answer["siblings"]:
            if entry["rfilename"] == WEIGHTS:
                entry |= changes
        return answer

    return change


HOSTILE = {
    "a hash with a path": hostile(lfs={"sha256": "../" * 21 + "x", "size": 3, "pointerSize": 1}),
    "no hash": hostile(lfs=None, blobId=None),
    "a size of nothing": hostile(size=0),
    "a size without end": hostile(size=2**60),
    "a size that is text": hostile(size="1"),
    "a commit with a path": lambda answer: answer | {"sha": "../../../evil"},
    "no files": lambda answer: answer | {"siblings": []},
    "names with paths only": hostile(rfilename="../../model.safetensors"),
}


@pytest.mark.parametrize("listing", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_list_writes_nothing(hub: Hub, tmp_path: Path, listing: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    (hub.folder / "pytorch_model.bin").unlink()
    hub.listing = listing
    before = set(tmp_path.parent.rglob("*"))
    with pytest.raises(WeightsError):
        fetch(tmp_path / "weights")
    assert {path.name for path in set(tmp_path.parent.rglob("*")) - before} <= {
        "weights",
        ".tiny-model.lock",
        ".tiny-model.lock.turn",
    }
    assert hub.asked == []


def test_hostile_names_are_left_alone(hub: Hub, tmp_path: Path) -> None:
    names = ["../evil.json", "/etc/evil", "C:\\evil", "a\0b", "x" * 300, "config.json/../../evil", "CON", "-rf", "modeling.py"]
    extra = [{"rfilename": name, "size": 3, "blobId": "0" * 40} for name in names]
    hub.listing = lambda answer: answer | {"siblings": answer["siblings"] + extra}
    assert set(fetch(tmp_path / "weights").files) == {"config.json", "tokenizer.json", WEIGHTS}


def test_a_size_that_is_a_lie_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.listing = hostile(size=500_000)
    with pytest.raises(WeightsError, match="longer than the hub says"):
        fetch(tmp_path)


def test_two_programs_do_not_write_one_download(hub: Hub, tmp_path: Path) -> None:
    seen: list[CrossmodalError] = []

    def start_another(progress: Progress) -> None:
        if not seen:
            with pytest.raises(BusyError, match="being downloaded by another program") as caught:
                fetch(tmp_path)
            seen.append(caught.value)

    fetch(tmp_path, on_progress=start_another)
    assert seen


def test_an_unfinished_download_can_be_deleted(hub: Hub, tmp_path: Path) -> None:
    hub.corrupt = {WEIGHTS}
    with pytest.raises(WeightsError):
        fetch(tmp_path)
    assert arrived_bytes(NAME, tmp_path) > 0
    discard(NAME, tmp_path)
    assert arrived_bytes(NAME, tmp_path) == 0
    discard(NAME, tmp_path)


def test_files_put_there_by_hand_are_used_without_a_network(hub: Hub, served: Path, tmp_path: Path) -> None:
    served.rename(tmp_path / "tiny-model")
    hub.fail_api = refuse(500)
    record = fetch(tmp_path)
    assert record.commit == ""
    assert hub.api == []
    assert present(NAME, tmp_path) == record


def test_a_changed_file_is_noticed_and_only_that_one_fetched_again(hub: Hub, tmp_path: Path) -> None:
    record = fetch(tmp_path)
    file = record.folder / WEIGHTS
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"model\.safetensors was changed"):
        read_record(record.path).check()
    hub.asked.clear()
    assert fetch(tmp_path).check(whole=True).digest == record.digest
    assert {request.name for request in hub.asked} == {WEIGHTS}


def test_a_touched_file_is_hashed_again_and_stays(hub: Hub, tmp_path: Path) -> None:
    record = fetch(tmp_path)
    os.utime(record.folder / WEIGHTS, ns=(1, 1))
    assert read_record(record.path).check().files[WEIGHTS].mtime_ns == 1
    assert read_record(record.path).files[WEIGHTS].mtime_ns == 1


def test_what_is_not_whole_is_not_here(hub: Hub, tmp_path: Path) -> None:
    assert present(NAME, tmp_path) is None
    record = fetch(tmp_path)
    assert present(NAME, tmp_path) == record
    (record.folder / WEIGHTS).write_bytes(b"half")
    assert present(NAME, tmp_path) is None
    record.path.write_text("{")
    assert present(NAME, tmp_path) is None


def test_a_foreign_folder_in_the_way_stays(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "tiny-model").mkdir()
    (tmp_path / "tiny-model" / "mine.txt").write_text("mine")
    with pytest.raises(WeightsError, match="in the way"):
        fetch(tmp_path)
    assert (tmp_path / "tiny-model" / "mine.txt").read_text() == "mine"
