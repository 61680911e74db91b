"""Batches by lot: fixed by seed and epoch, without two pictures of a group where that is possible."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.errors import TrainingError
from crossmodal.training.sampler import BatchSampler


def batches_of(sampler: BatchSampler, epoch: int = 0, **options: int) -> list[tuple[list[int], list[list[int]]]]:
    return [(drawn.pictures.tolist(), drawn.captions.tolist()) for drawn in sampler.epoch(epoch, **options)]


@given(st.lists(st.integers(0, 6), min_size=2, max_size=60), st.integers(2, 20), st.integers(0, 3))
def test_each_picture_once_and_groups_apart(groups: list[int], batch_size: int, epoch: int) -> None:
    sampler = BatchSampler(groups, [1] * len(groups), batch_size=batch_size, seed=3)
    batches = [pictures for pictures, _ in batches_of(sampler, epoch)]
    seen = [picture for batch in batches for picture in batch]
    assert len(batches) == sampler.steps_per_epoch == len(groups) // min(batch_size, len(groups))
    assert {len(batch) for batch in batches} == {min(batch_size, len(groups))}
    assert len(set(seen)) == len(seen)
    used = Counter(groups[picture] for picture in seen)
    for batch in batches:
        for group, count in Counter(groups[picture] for picture in batch).items():
            assert count <= -(-used[group] // len(batches))  # never more than an even deal


@given(st.lists(st.integers(1, 6), min_size=2, max_size=12), st.integers(1, 8))
def test_captions_are_of_their_picture_and_repeat_only_when_used_up(counts: list[int], per_picture: int) -> None:
    sampler = BatchSampler(range(len(counts)), counts, batch_size=2, captions_per_picture=per_picture, seed=1)
    for pictures, captions in batches_of(sampler):
        for picture, drawn in zip(pictures, captions, strict=True):
            assert len(drawn) == per_picture
            assert set(drawn) <= set(range(counts[picture]))
            assert len(set(drawn)) == min(per_picture, counts[picture])


def test_epochs_and_seeds_differ_and_repeat() -> None:
    def drawn(seed: int, epoch: int) -> list:
        return batches_of(BatchSampler(range(20), [5] * 20, batch_size=4, captions_per_picture=2, seed=seed), epoch)

    assert drawn(1, 0) == drawn(1, 0)
    assert drawn(1, 0) != drawn(1, 1)
    assert drawn(1, 0) != drawn(2, 0)


def test_a_start_within_the_epoch_gives_the_rest() -> None:
    sampler = BatchSampler(range(20), [3] * 20, batch_size=4, seed=1)
    assert batches_of(sampler, 2, start=3) == batches_of(sampler, 2)[3:]
    assert batches_of(sampler, 2, start=5) == []


def test_processes_share_the_same_batches() -> None:
    sampler = BatchSampler(range(20), [3] * 20, batch_size=6, captions_per_picture=2, seed=1)
    whole = batches_of(sampler, 1)
    parts = [batches_of(sampler, 1, rank=rank, processes=2) for rank in range(2)]
    assert [(a[0] + b[0], a[1] + b[1]) for a, b in zip(*parts, strict=True)] == whole


def test_every_picture_and_pair_has_its_turn() -> None:
    sampler = BatchSampler([0, 0, 1, 2, 3, 4], [1] * 6, batch_size=3, seed=5)
    met = Counter()
    for epoch in range(200):
        for pictures, _ in batches_of(sampler, epoch):
            met.update((a, b) for a in pictures for b in pictures if a < b)
    assert (0, 1) not in met
    assert len(met) == 14
    assert min(met.values()) > 30


@pytest.mark.parametrize(("groups", "counts", "words"), [([1], [1], "too few"), ([], [], "too few"), ([1, 2], [1, 0], "Picture 2")])
def test_what_cannot_be_learned_from_is_a_sentence(groups: list[int], counts: list[int], words: str) -> None:
    with pytest.raises(TrainingError, match=words) as caught:
        BatchSampler(groups, counts, batch_size=8)
    assert caught.value.remedy


def test_torch_is_left_alone() -> None:
    before = torch.get_rng_state()
    batches_of(BatchSampler(range(9), [1] * 9, batch_size=3))
    assert torch.equal(torch.get_rng_state(), before)
