"""Titles as labels, against a copy in plain loops."""

import math

import pytest
import torch

from crossmodal.training.words import word_loss, word_targets

CAPTIONS = [("red mug",), ("red cup", "a mug"), ("blue mug",), ("red hat",), ("blue hat",), ("an old lamp",), ("a clock",), ("",)]


def test_common_words_share_a_row() -> None:
    # red, mug: three of eight; blue, hat: two, too few; the rest once
    targets = word_targets(CAPTIONS, min_count=3)
    assert targets.tolist() == [[0.5, 0.5], [0.5, 0.5], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]


def test_words_of_more_than_half_say_nothing() -> None:
    assert word_targets([("red mug",)] * 4 + [("red hat",)] * 4, min_count=3).tolist() == [[0.0, 1.0]] * 4 + [[1.0, 0.0]] * 4


def test_the_most_frequent_words_are_kept() -> None:
    captions = [("red",)] * 4 + [("blue",)] * 3 + [("grey",)] * 3 + [("x",)] * 10
    assert word_targets(captions, max_words=2).sum(dim=0).tolist() == [4.0, 10.0]  # red, x


def test_nothing_common_gives_no_columns_and_no_loss() -> None:
    targets = word_targets([("a lamp",), ("the clock",)])
    assert targets.shape == (2, 0)
    assert word_targets([]).shape == (0, 0)
    logits = torch.zeros(2, 0, requires_grad=True)
    loss = word_loss(logits, targets)
    loss.backward()
    assert loss.item() == 0.0


@pytest.mark.parametrize("seed", [0, 1])
def test_loss_equals_the_plain_copy(seed: int) -> None:
    targets = word_targets(CAPTIONS, min_count=2)
    logits = torch.randn(targets.shape, generator=torch.Generator().manual_seed(seed)) * 3
    losses = []
    for row, wanted in zip(logits.tolist(), targets.tolist(), strict=True):
        if sum(wanted):
            log_sum = math.log(sum(math.exp(value) for value in row))
            losses.append(sum(share * (log_sum - value) for share, value in zip(wanted, row, strict=True)))
    assert 0 < len(losses) < len(targets)
    assert word_loss(logits, targets).item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_pictures_without_a_common_word_pull_nothing() -> None:
    targets = word_targets(CAPTIONS, min_count=3)
    logits = torch.zeros(targets.shape, requires_grad=True)
    word_loss(logits, targets).backward()
    assert logits.grad is not None
    assert logits.grad[4:].abs().sum() == 0
    assert (logits.grad[:4].abs().sum(dim=1) > 0)[2:].all()
