"""Progress with a rate and the time left."""

from crossmodal.progress import Progress
from crossmodal.training.callbacks import ProgressReporter
from crossmodal.training.plan import EpochFigures


def test_rate_and_time_left_count_from_where_this_start_began() -> None:
    now, told = [0.0], list[Progress]()
    pace = ProgressReporter(told.append, 4, clock=lambda: now[0])
    for done in range(21, 31):  # a run taken up at step 20 of 40
        now[0] += 0.5
        pace.step(done, 40)
    last = told[-1]
    assert (last.done, last.total, last.rate_per_s, last.seconds_left) == (30, 40, 2.0, 5.0)
    assert last.message == "Training, epoch 3 of 4"
    pace.epoch(EpochFigures(3, 1.5, 0.25, 0.1, 15.0))
    assert told[-1].figures == {"epoch": 3, "loss": 1.5, "score": 0.25, "recall_at_1": 0.1}
    assert (told[-1].done, told[-1].total, told[-1].seconds_left) == (3, 4, 5.0)


def test_no_time_has_passed() -> None:
    told = list[Progress]()
    ProgressReporter(told.append, 1, clock=lambda: 1.0).step(1, 1)
    assert (told[0].rate_per_s, told[0].seconds_left, told[0].message) == (0.0, None, "Training, epoch 1 of 1")
