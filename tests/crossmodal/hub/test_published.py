"""The list of published models, and sizes for display."""

import pytest

from crossmodal.errors import QueryError
from crossmodal.hub.published import PUBLISHED, megabytes, published


def test_each_has_what_a_choice_needs() -> None:
    for model in PUBLISHED:
        assert model.licence in ("Apache-2.0", "MIT")
        assert 500_000_000 < model.size_bytes < 1_600_000_000
        assert all(0 < figure < 100 for figure in model.coco)
        assert model.figures_from
        assert model.page == f"https://huggingface.co/{model.repository}"
    assert len({model.title for model in PUBLISHED}) == len(PUBLISHED)


def test_names() -> None:
    assert (
        published("clip-vit-base-patch32")
        is published("openai/clip-vit-base-patch32")
        is published("clip:openai/clip-vit-base-patch32")
    )
    with pytest.raises(QueryError, match="no model 'clip'"):
        published("clip")


def test_sizes_are_read_at_a_glance() -> None:
    assert [megabytes(count) for count in (0, 850_300, 8_230_000, 1_507_000_000)] == ["0 kB", "850 kB", "8.2 MB", "1,507 MB"]
