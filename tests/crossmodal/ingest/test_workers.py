import threading
import time

import pytest

from crossmodal.ingest.workers import PerHostPool

LONG_S = 10.0


class Crowd:
    """Work that notes how many are at it at once, in all and for each lane; a job is `lane number`."""

    def __init__(self, seconds: float = 0.005) -> None:
        self.most: dict[str, int] = {}
        self._now: dict[str, int] = {}
        self._seconds = seconds
        self._lock = threading.Lock()

    def __call__(self, job: str) -> str:
        lane = host_of(job)
        for name, step in ((lane, 1), ("all", 1)):
            with self._lock:
                self._now[name] = self._now.get(name, 0) + step
                self.most[name] = max(self.most.get(name, 0), self._now[name])
        time.sleep(self._seconds)
        with self._lock:
            self._now[lane] -= 1
            self._now["all"] -= 1
        return job.upper()


def host_of(job: str) -> str:
    return job.split()[0] if " " in job else ""


def take_all(lanes: PerHostPool[str, str]) -> list[str]:
    results = []
    while lanes.under_way:
        result = lanes.take(timeout_s=LONG_S)
        assert result is not None
        results.append(result)
    return results


def test_every_job_is_done_once_and_no_lane_or_pool_is_overfull() -> None:
    crowd = Crowd()
    jobs = [f"{host} {number}" for number in range(20) for host in ("slow", "fast", "other")] + [f"file{n}" for n in range(20)]
    with PerHostPool(crowd, host_of, threads=5, per_lane=2) as lanes:
        for job in jobs:
            lanes.submit(job)
        assert sorted(take_all(lanes)) == sorted(job.upper() for job in jobs)
    assert max(crowd.most[host] for host in ("slow", "fast", "other")) == 2
    assert crowd.most["all"] <= 5
    assert crowd.most[""] > 2


def test_a_slow_lane_does_not_hold_up_the_others() -> None:
    gate = threading.Event()

    def work(job: str) -> str:
        if job.startswith("slow"):
            assert gate.wait(LONG_S)
        return job

    with PerHostPool(work, host_of, threads=3, per_lane=2) as lanes:
        for job in ("slow 1", "slow 2", "slow 3", "slow 4", "fast 1", "fast 2"):
            lanes.submit(job)
        assert {lanes.take(timeout_s=LONG_S), lanes.take(timeout_s=LONG_S)} == {"fast 1", "fast 2"}
        assert lanes.take(timeout_s=0.01) is None
        gate.set()
        assert sorted(take_all(lanes)) == ["slow 1", "slow 2", "slow 3", "slow 4"]


def test_what_the_work_raises_is_raised_where_results_are_taken() -> None:
    def work(job: str) -> str:
        raise ZeroDivisionError(job)

    with PerHostPool(work, host_of, threads=1, per_lane=1) as lanes:
        lanes.submit("a 1")
        with pytest.raises(ZeroDivisionError, match="a 1"):
            lanes.take(timeout_s=LONG_S)
        assert lanes.under_way == 0


def test_leaving_drops_what_waits_and_waits_for_what_runs() -> None:
    crowd = Crowd(0.02)
    begun = time.monotonic()
    with PerHostPool(crowd, host_of, threads=2, per_lane=2) as lanes:
        for number in range(1000):
            lanes.submit(f"host {number}")
            lanes.submit(f"file{number}")
    assert time.monotonic() - begun < LONG_S
    assert crowd._now["all"] == 0
