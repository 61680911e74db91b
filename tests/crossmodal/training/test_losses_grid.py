"""Every loss against a copy in plain loops, over a grid of sizes, groups and factors; batches need not be square."""

import math

import pytest
import torch
from torch.nn import functional

from crossmodal.errors import QueryError
from crossmodal.training.losses import LOSSES, contrastive_loss, infonce_loss, loss_named, siglip_loss, triplet_loss

SIZES = [(1, 1), (2, 2), (3, 6), (5, 5), (6, 3), (4, 7)]
GROUPINGS = ["different", "captions", "mixed", "all equal", "strangers"]


def embeddings(n: int, seed: int, dim: int = 8) -> torch.Tensor:
    return functional.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def grouped(kind: str, n: int, m: int) -> tuple[list[int], list[int]]:
    """Groups of n pictures and m texts."""
    if kind == "different":
        return list(range(n)), list(range(m))
    if kind == "captions":
        return list(range(n)), [i * n // m for i in range(m)]
    if kind == "mixed":
        return [i // 2 for i in range(n)], [i % 3 for i in range(m)]
    if kind == "all equal":
        return [4] * n, [4] * m
    return list(range(n)), [100 + i for i in range(m)]  # nobody belongs to anybody


def cosines_of(images: torch.Tensor, texts: torch.Tensor) -> list[list[float]]:
    rows, others = images.double().tolist(), texts.double().tolist()
    return [[sum(a * b for a, b in zip(row, other, strict=True)) for other in others] for row in rows]


def log_sum_exp(values: list[float]) -> float:
    peak = max(values)
    return peak + math.log(sum(math.exp(value - peak) for value in values))


def flipped(rows: list[list[float]]) -> list[list[float]]:
    return [list(column) for column in zip(*rows, strict=True)]


def plain_clip(rows: list[list[float]], groups: list[int], others: list[int]) -> float:
    total = 0.0
    for row, group in zip(rows, groups, strict=True):
        wanted = [j for j, other in enumerate(others) if other == group]
        total += sum(log_sum_exp(row) - row[j] for j in wanted) / max(1, len(wanted))
    return total / len(rows)


def plain_infonce(rows: list[list[float]], groups: list[int], others: list[int], hardness: float) -> float:
    costs = []
    for row, group in zip(rows, groups, strict=True):
        negatives = [value for value, other in zip(row, others, strict=True) if other != group]
        weights = [math.exp(hardness * (value - max(negatives))) for value in negatives]
        weights = [weight * len(weights) / sum(weights) for weight in weights]
        for value, other in zip(row, others, strict=True):
            if other == group:
                below = [value] + [
                    negative + math.log(weight) for negative, weight in zip(negatives, weights, strict=True) if weight > 0
                ]
                costs.append(log_sum_exp(below) - value)
    return sum(costs) / max(1, len(costs))


def plain_triplet(rows: list[list[float]], groups: list[int], others: list[int], margin: float, hardest: bool) -> float:
    costs = []
    for row, group in zip(rows, groups, strict=True):
        for value, other in zip(row, others, strict=True):
            if other == group:
                wrong = [max(0.0, margin + row[j] - value) for j in range(len(row)) if others[j] != group]
                costs.append((max(wrong) if hardest else sum(wrong) / len(wrong)) if wrong else 0.0)
    return sum(costs) / max(1, len(costs))


def plain_siglip(rows: list[list[float]], groups: list[int], others: list[int], bias: float) -> float:
    total = 0.0
    for row, group in zip(rows, groups, strict=True):
        for value, other in zip(row, others, strict=True):
            sign = 1.0 if group == other else -1.0
            total += math.log1p(math.exp(-abs(value + bias))) + max(0.0, -sign * (value + bias))
    return total / max(len(groups), len(others))


@pytest.fixture(params=GROUPINGS)
def cases(request: pytest.FixtureRequest) -> list[tuple[torch.Tensor, torch.Tensor, list[int], list[int]]]:
    return [prepared(n, m, request.param) for n, m in SIZES]


def prepared(n: int, m: int, kind: str) -> tuple[torch.Tensor, torch.Tensor, list[int], list[int]]:
    return embeddings(n, 1), embeddings(m, 2), *grouped(kind, n, m)


@pytest.mark.parametrize("scale", [1.0, 1 / 0.07, 100.0])
class TestAgainstPlainLoops:
    def test_clip(self, cases: list, scale: float) -> None:
        for images, texts, groups, others in cases:
            rows = [[scale * value for value in row] for row in cosines_of(images, texts)]
            expected = (plain_clip(rows, groups, others) + plain_clip(flipped(rows), others, groups)) / 2
            loss = contrastive_loss(images, texts, torch.tensor(scale), torch.tensor(groups), torch.tensor(others))
            assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-5)

    @pytest.mark.parametrize("hardness", [0.0, 0.5, 2.0])
    @pytest.mark.parametrize("direction", ["both", "text_to_image", "image_to_text"])
    def test_infonce(self, cases: list, scale: float, direction: str, hardness: float) -> None:
        for images, texts, groups, others in cases:
            rows = [[scale * value for value in row] for row in cosines_of(images, texts)]
            per_image = plain_infonce(rows, groups, others, hardness)
            per_text = plain_infonce(flipped(rows), others, groups, hardness)
            expected = {"both": (per_image + per_text) / 2, "text_to_image": per_text, "image_to_text": per_image}[direction]
            loss = infonce_loss(
                images,
                texts,
                torch.tensor(scale),
                torch.tensor(groups),
                torch.tensor(others),
                direction=direction,
                hardness=hardness,
            )
            assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-5)

    @pytest.mark.parametrize("bias", [-10.0, 0.0, 3.0])
    def test_siglip(self, cases: list, scale: float, bias: float) -> None:
        for images, texts, groups, others in cases:
            rows = [[scale * value for value in row] for row in cosines_of(images, texts)]
            loss = siglip_loss(images, texts, torch.tensor(scale), torch.tensor(bias), torch.tensor(groups), torch.tensor(others))
            assert loss.item() == pytest.approx(plain_siglip(rows, groups, others, bias), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("hardest", [True, False])
@pytest.mark.parametrize("margin", [0.0, 0.2, 1.0])
def test_triplet_against_plain_loops(cases: list, margin: float, hardest: bool) -> None:
    for images, texts, groups, others in cases:
        rows = cosines_of(images, texts)
        expected = plain_triplet(rows, groups, others, margin, hardest) + plain_triplet(
            flipped(rows), others, groups, margin, hardest
        )
        loss = triplet_loss(images, texts, torch.tensor(groups), torch.tensor(others), margin=margin, hardest=hardest)
        assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-5)


def cost_of(name: str, images: torch.Tensor, texts: torch.Tensor, groups: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    return loss_named(name)(images, texts, torch.tensor(10.0), groups, others)


@pytest.mark.parametrize("name", LOSSES)
class TestEveryLoss:
    def test_what_belongs_together_is_not_pushed_apart(self, name: str) -> None:
        """Two pictures of one group that both fit both texts perfectly: nothing is left to do."""
        pair = torch.cat((embeddings(1, 3), -embeddings(1, 3)))
        images, texts = pair[[0, 0, 1]].requires_grad_(), pair[[0, 0, 1, 1]].requires_grad_()
        loss_named(name)(images, texts, torch.tensor(100.0), torch.tensor([4, 4, 9]), torch.tensor([4, 4, 9, 9])).backward()
        assert all(value.grad is not None and value.grad.abs().max() < 1e-3 for value in (images, texts))

    def test_order_does_not_matter(self, name: str) -> None:
        images, texts = embeddings(4, 5), embeddings(8, 6)
        groups, others = torch.arange(4), torch.arange(8) // 2
        rows, columns = torch.tensor([2, 0, 3, 1]), torch.tensor([7, 1, 4, 0, 2, 6, 3, 5])
        torch.testing.assert_close(
            cost_of(name, images[rows], texts[columns], groups[rows], others[columns]), cost_of(name, images, texts, groups, others)
        )
        torch.testing.assert_close(cost_of(name, texts, images, others, groups), cost_of(name, images, texts, groups, others))

    def test_gradients_are_finite_and_lead_downhill(self, name: str) -> None:
        images, texts = embeddings(6, 7).requires_grad_(), embeddings(12, 8).requires_grad_()
        loss_of, scale = loss_named(name), torch.tensor(20.0, requires_grad=True)
        groups, others = torch.arange(6), torch.arange(12) // 2
        loss = loss_of(images, texts, scale, groups, others)
        loss.backward()
        assert scale.grad is not None
        assert all(parameter.grad is not None for parameter in loss_of.parameters())
        moved = [value.detach() - 0.01 * value.grad for value in (images, texts)]
        assert loss_of(*moved, scale, groups, others).item() < loss.item()

    @pytest.mark.parametrize("kind", GROUPINGS)
    def test_gradients_are_finite_in_every_grouping(self, name: str, kind: str) -> None:
        images, texts = embeddings(4, 9).requires_grad_(), embeddings(6, 10).requires_grad_()
        groups, others = grouped(kind, 4, 6)
        loss_named(name)(images, texts, torch.tensor(100.0), torch.tensor(groups), torch.tensor(others)).backward()
        assert all(bool(value.grad.isfinite().all()) for value in (images, texts))

    def test_is_computed_in_float32_under_autocast(self, name: str) -> None:
        images, texts = embeddings(16, 11), embeddings(16, 12)
        plain = cost_of(name, images, texts, torch.arange(16), torch.arange(16))
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(cost_of(name, images, texts, torch.arange(16), torch.arange(16)), plain)
            assert cost_of(name, images.bfloat16(), texts.bfloat16(), torch.arange(16), torch.arange(16)).dtype == torch.float32

    @pytest.mark.parametrize("shapes", [(0, 0, 0, 0), (2, 3, 2, 2), (2, 3, 3, 3), (2, 0, 2, 0)])
    def test_batches_that_do_not_fit_are_refused(self, name: str, shapes: tuple[int, int, int, int]) -> None:
        n, m, groups, others = shapes
        with pytest.raises(ValueError, match="batches"):
            cost_of(name, torch.zeros(n, 4), torch.zeros(m, 4), torch.zeros(groups), torch.zeros(others))


def test_infonce_is_clip_when_all_differ() -> None:
    images, texts, scale, groups = embeddings(9, 13), embeddings(9, 14), torch.tensor(14.0), torch.arange(9)
    torch.testing.assert_close(infonce_loss(images, texts, scale, groups), contrastive_loss(images, texts, scale, groups))


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(QueryError, match="no loss called 'tripple'") as caught:
        loss_named("tripple")
    assert caught.value.remedy.startswith("Known are: triplet")
    assert all(name in caught.value.remedy for name in LOSSES)


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="direction"):
        infonce_loss(embeddings(2, 1), embeddings(2, 2), torch.tensor(1.0), torch.arange(2), direction="sideways")
