"""Schemathesis over the OpenAPI document, with all its checks: no answer of 5xx, none that is not documented.

What a schema cannot say is said here: which texts have a visible word, which bytes are a picture, which addresses lead to one.
`TESTS_SCHEMA_EXAMPLES=60` makes more than 2,000 calls; without it there are some hundred.
"""

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("TESTS_SCHEMA_EXAMPLES", "2"))
"""Random calls for each operation, besides the edge cases of its fields."""


def test_every_call_is_answered_as_documented(tmp_path: Path) -> None:
    from tests.api.schema_run import Run

    run = Run(tmp_path, examples=EXAMPLES)
    print(sum(run.statuses.values()), "calls:", dict(sorted(run.statuses.items())))  # noqa: T201  shown with -s
    assert not run.failures, "\n\n".join(f"{title}\n{said}" for title, said in run.failures.items())
    assert run.problems == []
    assert not [status for status in run.statuses if status >= 500]
    assert sum(run.statuses.values()) >= (2_000 if EXAMPLES >= 60 else 300)
