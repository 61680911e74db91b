"""The contrastive loss against a copy in plain loops, written from the formula."""

import math

import pytest
import torch
from torch.nn import functional

from crossmodal.training.losses import contrastive_loss

GROUPS = {"different": [0, 1, 2, 3, 4], "one pair": [0, 1, 0, 3, 4], "mixed": [7, 7, 7, 2, 2], "all equal": [1, 1, 1, 1, 1]}


def embeddings(n: int, seed: int, dim: int = 8) -> torch.Tensor:
    return functional.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def plain_loss(images: list[list[float]], texts: list[list[float]], scale: float, groups: list[int]) -> float:
    n = len(groups)
    logits = [[scale * sum(a * b for a, b in zip(image, text, strict=True)) for text in texts] for image in images]
    total = 0.0
    for rows in (logits, [list(column) for column in zip(*logits, strict=True)]):
        for i, row in enumerate(rows):
            peak = max(row)
            log_sum = peak + math.log(sum(math.exp(value - peak) for value in row))
            wanted = [j for j in range(n) if groups[j] == groups[i]]
            total += sum((log_sum - row[j]) / len(wanted) for j in wanted) / n
    return total / 2


@pytest.mark.parametrize("scale", [1.0, 1 / 0.07, 100.0])
@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS.keys())
@pytest.mark.parametrize("n", [1, 2, 5])
def test_equals_the_plain_copy(n: int, groups: list[int], scale: float) -> None:
    images, texts = embeddings(n, 1), embeddings(n, 2)
    loss = contrastive_loss(images, texts, torch.tensor(scale), torch.tensor(groups[:n]))
    expected = plain_loss(images.double().tolist(), texts.double().tolist(), scale, groups[:n])
    assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("n", [2, 7, 32])
def test_is_clips_loss_when_all_differ(n: int) -> None:
    images, texts, scale = embeddings(n, 3), embeddings(n, 4), torch.tensor(14.0)
    logits = scale * images @ texts.T
    labels = torch.arange(n)
    clip = (functional.cross_entropy(logits, labels) + functional.cross_entropy(logits.T, labels)) / 2
    torch.testing.assert_close(contrastive_loss(images, texts, scale, labels), clip)


def test_equal_titles_are_not_pushed_apart() -> None:
    """Two pictures of one title that both fit it perfectly cost the least that is possible; as negatives they would cost log 2 more."""
    pair = embeddings(2, 5)
    same = pair[[0, 0, 1]].requires_grad_()
    scale, groups = torch.tensor(100.0), torch.tensor([4, 4, 9])
    loss = contrastive_loss(same, pair[[0, 0, 1]], scale, groups)
    entropy = 2 / 3 * math.log(2)
    assert loss.item() == pytest.approx(entropy, abs=1e-4)
    loss.backward()
    assert same.grad is not None
    assert same.grad.abs().max() < 1e-3


def test_order_of_the_batch_does_not_matter() -> None:
    images, texts, groups = embeddings(6, 6), embeddings(6, 7), torch.tensor([0, 1, 1, 2, 0, 3])
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    loss = contrastive_loss(images, texts, torch.tensor(20.0), groups)
    torch.testing.assert_close(contrastive_loss(images[order], texts[order], torch.tensor(20.0), groups[order]), loss)
    torch.testing.assert_close(contrastive_loss(texts, images, torch.tensor(20.0), groups), loss)


def test_gradients_reach_everything_and_lead_downhill() -> None:
    images, texts = embeddings(8, 8).requires_grad_(), embeddings(8, 9).requires_grad_()
    scale = torch.tensor(5.0, requires_grad=True)
    loss = contrastive_loss(images, texts, scale, torch.arange(8))
    loss.backward()
    assert scale.grad is not None
    moved = [value.detach() - 0.1 * value.grad for value in (images, texts, scale)]
    assert contrastive_loss(*moved, torch.arange(8)).item() < loss.item()


def test_is_computed_in_float32_under_autocast() -> None:
    images, texts, scale = embeddings(32, 10), embeddings(32, 11), torch.tensor(100.0)
    plain = contrastive_loss(images, texts, scale, torch.arange(32))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(contrastive_loss(images, texts, scale, torch.arange(32)), plain)


@pytest.mark.parametrize(("n_images", "n_texts", "n_groups"), [(0, 0, 0), (2, 3, 2), (3, 3, 2)])
def test_batches_that_do_not_fit_are_refused(n_images: int, n_texts: int, n_groups: int) -> None:
    with pytest.raises(ValueError, match="batches"):
        contrastive_loss(
            torch.zeros(n_images, 4), torch.zeros(n_texts, 4), torch.tensor(1.0), torch.zeros(n_groups, dtype=torch.int64)
        )
