from crossmodal.ingest.report import IngestReport, Tally
from crossmodal.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_speed_is_that_of_the_last_moments() -> None:
    told: list[Progress] = []
    clock = Clock()
    tally = Tally(1_100, told.append, clock=clock)
    tally.unchanged = 1_000
    clock.now += 1
    tally.tell()
    assert told[-1].rate_per_s == 1_000
    for _ in range(40):
        clock.now += 1
        tally.indexed += 2
        tally.tell()
    assert told[-1].rate_per_s == 2
    assert told[-1].seconds_left == (1_100 - 1_080) / 2
    assert (told[-1].done, told[-1].total, told[-1].failed, told[-1].step) == (1_080, 1_100, 0, "index")


def test_progress_is_not_told_more_often_than_a_person_reads() -> None:
    told: list[Progress] = []
    clock = Clock()
    tally = Tally(10, told.append, clock=clock)
    for _ in range(1000):
        clock.now += 0.001
        tally.tell()
    assert 3 <= len(told) <= 4
    assert told[0].seconds_left is None
    tally.tell(now=True)
    assert len(told) <= 5


def test_the_end_is_summed_up() -> None:
    told: list[Progress] = []
    clock = Clock()
    tally = Tally(10, told.append, clock=clock)
    tally.indexed, tally.unchanged, tally.failed, tally.refused = 9, 3, 2, 1
    clock.now += 4
    report = tally.finish(duplicates=7, renamed=2, joined=3, moved=2, removed=1, unread=6)
    counts = {"indexed": 3, "unchanged": 4, "failed": 2, "duplicates": 7, "renamed": 4, "removed": 1, "unread": 6, "joined": 1}
    assert report == IngestReport(**counts, seconds=4)
    assert told[-1].finished
    assert (told[-1].done, told[-1].total, told[-1].rate_per_s, told[-1].seconds_left) == (14, 14, 3.5, 0.0)
